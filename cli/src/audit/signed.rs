//! The heads that a server signed, from a copy of its `heads.jsonl`.

use super::head::Point;
use crate::exit::Stuck;
use crate::output::Screen;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use mcpctl_events::wire::audit::SignedHead;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What stands before the 32 bytes of an Ed25519 key in a PEM file (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const KEY: usize = 32;

/// Reads the heads, each of which has to be signed with one and the same key.
pub fn read(file: &Path, key_file: Option<&Path>, screen: Screen) -> anyhow::Result<Vec<Point>> {
    let mut key = key_file.map(public_key).transpose()?;
    let unreadable = |error| {
        unreadable(file, &error, "name a copy of the heads.jsonl in the data folder of an mcpd with --head-key")
    };
    let reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(unreadable)?))
    };
    let mut heads = Vec::new();
    for (line, number) in reader.lines().zip(1..) {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let bad = |problem: &str| {
            let next = "take a fresh copy of the heads.jsonl in the server's data folder; if that is the same, find out who \
                        had access to it";
            Stuck::new(format!("{}, line {number}: {problem}", file.display()), next)
        };
        let head: SignedHead = serde_json::from_str(&line).map_err(|_| bad("is no signed head"))?;
        let signature = bytes(&head.signature).ok_or_else(|| bad("its signature is not in hex"))?;
        let stated = bytes(&head.public_key).ok_or_else(|| bad("its key is not in hex"))?;
        if key.is_none() {
            screen.note(&format!("signed with key {}; --head-key proves that it is the server's", head.public_key));
        }
        let key = key.get_or_insert(stated);
        let known = UnparsedPublicKey::new(&ED25519, key.as_slice());
        known.verify(head.message().as_bytes(), &signature).map_err(|_| bad("is not signed with that key"))?;
        heads.push(Point { sequence: head.sequence, hash: head.hash });
    }
    if heads.is_empty() {
        let next = "mcpd --head-key FILE signs one a minute while something happens";
        return Err(Stuck::new(format!("{} holds no head", file.display()), next).into());
    }
    Ok(heads)
}

fn public_key(file: &Path) -> anyhow::Result<Vec<u8>> {
    let next = "name the public key of the server: `openssl pkey -in KEY -pubout` writes it";
    let pem = fs::read(file).map_err(|error| unreadable(file, &error, next))?;
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).ok();
    let key = der.and_then(|der| der.strip_prefix(&SPKI).filter(|key| key.len() == KEY).map(<[u8]>::to_vec));
    let next = "`openssl pkey -in KEY -pubout` writes the public key of the file that mcpd got as --head-key";
    Ok(key.ok_or_else(|| Stuck::new(format!("{} is no public Ed25519 key in PEM", file.display()), next))?)
}

fn unreadable(file: &Path, error: &std::io::Error, next: &str) -> Stuck {
    Stuck::new(format!("{} cannot be read: {error}", file.display()), next)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(pair).collect())?
}
