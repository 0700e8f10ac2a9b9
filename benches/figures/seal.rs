//! Sealed files: overhead, what a ranged read touches, and memory while streaming.

use crate::print;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{SealingKem, SealingKey};
use mediveil_seal::{OpenReader, SEGMENT_LEN, Sealer, SeekReader};
use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Counts the bytes that go through a reader.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.bytes = self.bytes.saturating_add(n as u64);
        Ok(n)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Peak resident memory of this process in MiB.
fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    let mut rng = SeededRng::from_u64(1);
    let key = SealingKey::generate(SealingKem::P256, &mut rng);
    let public = key.public();

    // Streaming first, while nothing large has been in memory: 1 GiB through a file and back.
    let gib = 1u64 << 30;
    let mut file = tempfile::tempfile()?;
    Sealer::new().to(&public).copy(&mut io::repeat(7).take(gib), &mut file, &mut rng)?;
    file.seek(SeekFrom::Start(0))?;
    let (len, _) = OpenReader::new(&file, &[&key])?.copy_to(&mut io::sink())?;
    if len != gib {
        return Err("the stream lost bytes".into());
    }
    print("seal.memory.stream", peak_mib()?, None);

    file.seek(SeekFrom::Start(0))?;
    let mut reader = SeekReader::new(Counted { inner: &file, bytes: 0 }, &[&key])?;
    let mut byte = [0];
    reader.read_at(gib / 2, &mut byte)?;
    let touched = reader.into_inner().bytes / (SEGMENT_LEN as u64 + 16);
    print("seal.range.1gib", touched as f64, None);

    let plain = vec![0; 64 << 20];
    let overhead = |sealed: usize| (sealed.saturating_sub(plain.len())) as f64 / plain.len() as f64;
    let ours = Sealer::new().to(&public).seal(&plain, &mut rng)?.len();
    let peer = age::x25519::Identity::generate().to_public();
    let recipients = [&peer as &dyn age::Recipient];
    let mut writer = age::Encryptor::with_recipients(recipients.into_iter())?.wrap_output(Vec::new())?;
    writer.write_all(&plain)?;
    let theirs = writer.finish()?.len();
    print("seal.overhead.64mib", overhead(ours), Some(overhead(theirs)));
    Ok(())
}
