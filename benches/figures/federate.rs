//! Federated sums: a million 16-bit entries of ten sites under a committee of five, three of whom are needed.
//!
//! The time is the server's, from the bytes of thirteen uploads (ten sites, and the noise of three members) and three members'
//! answers to the released sum in the budget: digests, decoding, additions, opening the sum of the keys, decryption, and
//! storing it durably. The upload is one site's: vector, sealed shares, signature. One member's noise is measured by itself;
//! the other two upload zeros in its place, which cost the server the same.

use crate::print;
use mediveil_codec::Wire;
use mediveil_federate::testing::{Town, bare_upload, contributions};
use mediveil_federate::{Contributor, Grid, Unit, Upload};
use mediveil_fhe::opening::MemoryStore;
use mediveil_seal::identity::{Identity, IdentityKind};
use std::error::Error;
use std::time::Instant;

const ENTRIES: u32 = 1_000_000;

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut rng = mediveil_rng::SeededRng::from_u64(3);
    let mut people = |count: u32| {
        (0..count).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()
    };
    let (sites, members) = (people(10)?, people(5)?);
    let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect();
    let grid = Grid::new(1.0, 32_767).ok_or("a grid")?;
    let town = Town::new(folder.path(), |t| {
        (t.sites, t.members, t.needed) = (public(&sites), public(&members), 3);
        (t.unit, t.entries, t.grid, t.degree) = (Unit::Site, ENTRIES, grid, 4096);
    });
    let (federation, mut rng) = (&town.federation, mediveil_rng::SeededRng::from_u64(4));
    let round = town.begin(1);
    let mut uploads = Vec::new();
    for (number, site) in (0u32..).zip(&sites) {
        // Sixteen bits each; the clip of real sums would leave most of them smaller.
        let values: Vec<i64> =
            (0..i64::from(ENTRIES)).map(|i| (i * 7919 + i64::from(number)) % 65_535 - 32_767).collect();
        uploads.push(bare_upload(federation, &round, Contributor::Site(number), &values, site, &mut rng));
    }
    let sent = |u: &Upload| u.vector.encode().len() + u.contribution.encode().len();
    let first = uploads.first().ok_or("no upload")?;
    print("federate.upload_ratio", sent(first) as f64 / (f64::from(ENTRIES) * 2.0), None);
    for (number, member) in (1u32..).zip(members.iter().take(3)) {
        uploads.push(if number == 1 {
            let start = Instant::now();
            let noise = federation.noise(&town.budget, &round, member, &mut rng, &|_, _| ())?;
            print("federate.noise.1m", start.elapsed().as_secs_f64(), None);
            noise
        } else {
            bare_upload(federation, &round, Contributor::Member(number), &vec![0; ENTRIES as usize], member, &mut rng)
        });
    }
    for upload in &uploads {
        federation.commit(town.log(), &round, &upload.contribution, town.now)?;
    }
    let all = contributions(&uploads);
    federation.close(town.log(), &round, &all, town.now)?;
    let answers = members
        .iter()
        .take(3)
        .map(|m| federation.answer(&town.budget, &round, &all, m, &mut MemoryStore::new()))
        .collect::<Result<Vec<_>, _>>()?;
    let sent: Vec<_> = uploads.into_iter().map(|u| (u.contribution, u.vector.encode())).collect();
    let start = Instant::now();
    let mut tally = federation.tally(&town.budget, &round)?;
    for (contribution, bytes) in sent {
        federation.check_contribution(&round, &contribution)?;
        let vector = federation.read_vector(&contribution, &bytes)?;
        tally.add(&Upload { contribution, vector })?;
    }
    let release = federation.combine(&town.budget, &round, &tally, &answers, town.now)?;
    print("federate.sum.1m", start.elapsed().as_secs_f64(), None);
    if release.numbers().len() != ENTRIES as usize {
        return Err("no sum".into());
    }
    Ok(())
}
