//! A log over TCP: TLS with a verified name, or nothing.
//!
//! The server for tests listens on a Unix socket. Before it stands a gate of ours, which answers PostgreSQL's request for TLS
//! (PostgreSQL 18 documentation, §54.2.10), ends TLS under a certificate for `localhost`, and hands the bytes on.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::postgres::{schema, server};
use common::{child, child_argument, note};
use mediveil_ledger::{Log, LogError};
use mediveil_rng::SeededRng;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A certificate for `localhost`, signed by itself.
fn certificate() -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_subject_name(&name).unwrap();
    made.set_issuer_name(&name).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().dns("localhost").build(&made.x509v3_context(None, None)).unwrap();
    made.append_extension(names).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    (made.build(), key)
}

/// The socket of the server for tests, from its address.
fn socket(address: &str) -> PathBuf {
    let host = address.split("host=").nth(1).unwrap().split('&').next().unwrap();
    Path::new(&host.replace("%2F", "/").replace("%25", "%")).join(".s.PGSQL.5432")
}

/// What the gate says to the request for TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offers {
    Tls,
    Nothing,
}

/// A gate before the server; returns its port.
fn gate(offers: Offers, (certificate, key): &(X509, PKey<Private>), server: PathBuf) -> u16 {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(key).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for guest in listener.incoming() {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            std::thread::spawn(move || pass(guest.unwrap(), offers, &acceptor, &server));
        }
    });
    port
}

fn pass(mut guest: TcpStream, offers: Offers, acceptor: &SslAcceptor, server: &Path) {
    let mut request = [0; 8];
    guest.read_exact(&mut request).unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "TLS is asked for before anything is said");
    if offers == Offers::Nothing {
        guest.write_all(b"N").unwrap();
        // It goes away without a word. Whoever goes on in the clear is cut off, which is not the refusal that is waited for.
        assert_eq!(guest.read(&mut request).unwrap(), 0);
        return;
    }
    guest.write_all(b"S").unwrap();
    // Who does not trust the certificate goes away here.
    let Ok(mut guest) = acceptor.accept(guest) else { return };
    let mut server = UnixStream::connect(server).unwrap();
    let nap = Some(Duration::from_millis(1));
    guest.get_ref().set_read_timeout(nap).unwrap();
    server.set_read_timeout(nap).unwrap();
    while shovel(&mut guest, &mut server) && back(&mut server, &mut guest) {}
}

/// What there is to read, or nothing; `None` at the end.
fn some(from: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    match from.read(buffer) {
        Ok(0) => None,
        Ok(n) => Some(n),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(0),
        Err(_) => None,
    }
}

fn shovel(from: &mut SslStream<TcpStream>, to: &mut UnixStream) -> bool {
    let mut buffer = [0; 16_384];
    some(from, &mut buffer).is_some_and(|n| to.write_all(&buffer[..n]).is_ok())
}

fn back(from: &mut UnixStream, to: &mut SslStream<TcpStream>) -> bool {
    let mut buffer = [0; 16_384];
    some(from, &mut buffer).is_some_and(|n| to.write_all(&buffer[..n]).is_ok())
}

/// Makes a log at the address and says what came of it.
#[test]
fn child_makes_a_log() {
    let Some(address) = child_argument() else { return };
    let outcome = Log::create(&address, &mut SeededRng::from_u64(1)).and_then(|log| {
        log.append(&note("over TCP"))?;
        log.size()
    });
    match outcome {
        Ok(size) => println!("\nmade {size}"),
        Err(LogError::Storage(why)) => println!("\nrefused {why}"),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn over_tcp_there_is_tls_with_a_verified_name_or_nothing() {
    if server().is_none() {
        println!("SKIPPED: MEDIVEIL_TEST_POSTGRES names no server (cargo xtask test starts one)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (certificate(), certificate());
    let pem = |name: &str, certificate: &X509| {
        let path = folder.path().join(name);
        std::fs::write(&path, certificate.to_pem().unwrap()).unwrap();
        path
    };
    let (trusted, distrusted) = (pem("ours.pem", &ours.0), pem("other.pem", &other.0));
    let address = schema().unwrap();
    let options = address.split("&options=").nth(1).unwrap();
    let tls = gate(Offers::Tls, &ours, socket(&address));
    let clear = gate(Offers::Nothing, &ours, socket(&address));
    let attempt = |host: &str, port: u16, mode: &str, authorities: &Path| {
        let address = format!("postgres://tests@{host}:{port}/postgres?{mode}options={options}");
        let output = child("child_makes_a_log", &address).env("SSL_CERT_FILE", authorities).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|l| l.starts_with("made ") || l.starts_with("refused "));
        line.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
    };
    // A certificate of an authority that nobody trusts, and a name that is not in the certificate.
    for (host, authorities) in [("localhost", &distrusted), ("127.0.0.1", &trusted)] {
        let refused = attempt(host, tls, "", authorities);
        assert!(refused.starts_with("refused ") && refused.contains("certificate verify failed"), "{refused}");
    }
    // A server without TLS gets nothing, not even where the address would do with less.
    for mode in ["", "sslmode=prefer&", "sslmode=require&"] {
        let refused = attempt("localhost", clear, mode, &trusted);
        assert!(refused.starts_with("refused ") && refused.contains("TLS"), "{refused}");
    }
    assert_eq!(attempt("localhost", tls, "", &trusted), "made 1");
}
