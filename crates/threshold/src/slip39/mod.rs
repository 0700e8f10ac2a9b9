//! A secret on paper: Shamir's sharing in words, by SLIP-0039.
//!
//! The secret is encrypted under a passphrase (four Feistel rounds of PBKDF2-HMAC-SHA256), shared among groups and within
//! each group among members over GF(256), and each share is written in words with a checksum of three words that finds
//! every three wrong words. A wrong passphrase gives another secret and no error: the standard wants it so, and the caller
//! must check what comes out. Shares in a hand below the threshold tell nothing of the encrypted secret.
//!
//! Arithmetic in GF(256) runs without tables and branches on secret bytes.

mod gf256;
mod words;

use gf256::interpolate;
use hmac::Mac;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SECRET_AT: u8 = 255;
const DIGEST_AT: u8 = 254;
const DIGEST_LEN: usize = 4;
const CHECKSUM_WORDS: usize = 3;
/// Words that are not the value: identifier and exponent 2, parameters 2, checksum 3.
const METADATA_WORDS: usize = 7;
const MIN_WORDS: usize = 20;
/// The longest mnemonic that is read: a secret of 512 bits.
const MAX_WORDS: usize = 59;
const ROUNDS: u8 = 4;
const BASE_ITERATIONS: u32 = 10_000;

/// Why words are no share, or shares no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Slip39Error {
    /// A word that is not in the list; its place, from 1.
    #[error("word {0} is not in the list")]
    Word(usize),
    /// A number of words that no share has.
    #[error("{0} words are no share: count them again")]
    Length(usize),
    /// The checksum is wrong.
    #[error("a word is wrong: the checksum does not fit")]
    Checksum,
    /// The padding is not zero, or the group threshold is above the number of groups.
    #[error("the words hold impossible values")]
    Malformed,
    /// Shares of different secrets, or with different parameters.
    #[error("these shares do not belong together")]
    Mismatch,
    /// Two different shares with one number.
    #[error("two shares have one number")]
    Duplicate,
    /// Too few or too many groups or members.
    #[error("another number of shares is needed: {0}")]
    Count(&'static str),
    /// The shares fit each other in form and not in value.
    #[error("the shares do not fit each other")]
    Digest,
    /// A secret, group or threshold outside the standard's limits.
    #[error("{0}")]
    Parameters(&'static str),
    /// A passphrase with other characters than printable ASCII.
    #[error("the passphrase must be of printable ASCII characters")]
    Passphrase,
}

/// One group of a split: `needed` of its `members` shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many shares of the group are needed.
    pub needed: u8,
    /// How many shares it gets, at most 16.
    pub members: u8,
}

/// How a secret is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// How many groups are needed.
    pub groups_needed: u8,
    /// The groups, at most 16.
    pub groups: Vec<Group>,
    /// PBKDF2 makes `10000 << exponent` iterations; at most 15. One is the standard's usual.
    pub iteration_exponent: u8,
}

/// One share: what its words say. Wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    common: Common,
    group: u8,
    member: u8,
    needed: u8,
    value: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Common {
    identifier: u16,
    extendable: bool,
    exponent: u8,
    groups_needed: u8,
    groups: u8,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

/// The Reed-Solomon code over GF(1024) of the standard's section "Checksum".
fn polymod(values: impl Iterator<Item = u16>) -> u32 {
    const GENERATOR: [u32; 10] = [
        0x00e0_e040,
        0x01c1_c080,
        0x0383_8100,
        0x0707_0200,
        0x0e0e_0009,
        0x1c0c_2412,
        0x3808_6c24,
        0x3090_fc48,
        0x21b1_f890,
        0x03f3_f120,
    ];
    values.fold(1, |sum, value| {
        let top = sum >> 20;
        let shifted = (sum & 0xf_ffff) << 10 ^ u32::from(value);
        GENERATOR.iter().enumerate().fold(shifted, |sum, (i, g)| if top >> i & 1 == 1 { sum ^ g } else { sum })
    })
}

fn customization(extendable: bool) -> impl Iterator<Item = u16> {
    let text: &[u8] = if extendable { b"shamir_extendable" } else { b"shamir" };
    text.iter().map(|b| u16::from(*b))
}

/// The lowest ten bits.
fn ten_bits(value: u32) -> u16 {
    u16::try_from(value & 1023).unwrap_or(0)
}

impl Share {
    /// The exponent of the work of a passphrase: [`join`] takes 10,000 * 2^exponent iterations, up to 2^15 times the least.
    /// For those who join shares of strangers and must bound the time.
    #[must_use]
    pub const fn iteration_exponent(&self) -> u8 {
        self.common.exponent
    }

    /// Reads a share from its words, with any blank space between them and in any case.
    ///
    /// # Errors
    /// [`Slip39Error`], which says what is wrong with the words.
    pub fn from_words(text: &str) -> Result<Self, Slip39Error> {
        let mut indices = Zeroizing::new(Vec::new());
        for (at, word) in text.split_whitespace().enumerate().take(MAX_WORDS.saturating_add(1)) {
            let word = Zeroizing::new(word.to_ascii_lowercase());
            indices.push(words::index(&word).ok_or(Slip39Error::Word(at.saturating_add(1)))?);
        }
        let value_words = indices.len().saturating_sub(METADATA_WORDS);
        let padding = value_words.saturating_mul(10) % 16;
        if indices.len() < MIN_WORDS || indices.len() > MAX_WORDS || padding > 8 {
            return Err(Slip39Error::Length(indices.len()));
        }
        let (Some([a, b, c, d]), Some(value)) =
            (indices.first_chunk::<4>().copied(), indices.get(4..indices.len().saturating_sub(CHECKSUM_WORDS)))
        else {
            return Err(Slip39Error::Length(indices.len()));
        };
        let head = u32::from(a) << 10 | u32::from(b);
        let extendable = head >> 4 & 1 == 1;
        if polymod(customization(extendable).chain(indices.iter().copied())) != 1 {
            return Err(Slip39Error::Checksum);
        }
        let parameters = u32::from(c) << 10 | u32::from(d);
        let nibble = |shift: u32| u8::try_from(parameters >> shift & 15).unwrap_or(0);
        let common = Common {
            identifier: u16::try_from(head >> 5).unwrap_or(0),
            extendable,
            exponent: u8::try_from(head & 15).unwrap_or(0),
            groups_needed: nibble(12).saturating_add(1),
            groups: nibble(8).saturating_add(1),
        };
        if common.groups_needed > common.groups {
            return Err(Slip39Error::Malformed);
        }
        // The bits of the words, high ones first; the first `padding` of them are zero.
        let mut bytes = Zeroizing::new(Vec::new());
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        let mut skip = u32::try_from(padding).unwrap_or(0);
        for word in value {
            buffer = buffer << 10 | u32::from(*word);
            bits = bits.saturating_add(10);
            if skip > 0 {
                bits = bits.saturating_sub(skip);
                if buffer >> bits != 0 {
                    return Err(Slip39Error::Malformed);
                }
                skip = 0;
            }
            while bits >= 8 {
                bits = bits.saturating_sub(8);
                bytes.push(u8::try_from(buffer >> bits & 255).unwrap_or(0));
            }
            buffer &= (1 << bits) - 1;
        }
        Ok(Self { common, group: nibble(16), member: nibble(4), needed: nibble(0).saturating_add(1), value: bytes })
    }

    /// The number of its group, from 1.
    #[must_use]
    pub const fn group(&self) -> u8 {
        self.group.saturating_add(1)
    }

    /// Its number in its group, from 1.
    #[must_use]
    pub const fn member(&self) -> u8 {
        self.member.saturating_add(1)
    }

    /// How many shares of its group are needed.
    #[must_use]
    pub const fn needed(&self) -> u8 {
        self.needed
    }

    /// How many groups are needed.
    #[must_use]
    pub const fn groups_needed(&self) -> u8 {
        self.common.groups_needed
    }

    /// How many groups there are.
    #[must_use]
    pub const fn groups(&self) -> u8 {
        self.common.groups
    }

    /// Whether both come from one split, as far as what stands in the open says.
    #[must_use]
    pub fn is_of_one_split(&self, other: &Self) -> bool {
        self.common == other.common && self.value.len() == other.value.len()
    }

    /// The share in words. The text is wiped when dropped.
    #[must_use]
    pub fn to_words(&self) -> Zeroizing<String> {
        let common = &self.common;
        let head = u32::from(common.identifier) << 5 | u32::from(common.extendable) << 4 | u32::from(common.exponent);
        let minus_one = |n: u8| u32::from(n.saturating_sub(1));
        let parameters = u32::from(self.group) << 16
            | minus_one(common.groups_needed) << 12
            | minus_one(common.groups) << 8
            | u32::from(self.member) << 4
            | minus_one(self.needed);
        let mut indices = Zeroizing::new(vec![
            ten_bits(head >> 10),
            ten_bits(head),
            ten_bits(parameters >> 10),
            ten_bits(parameters),
        ]);
        let total = self.value.len().saturating_mul(8);
        let mut bits = u32::try_from(total.div_ceil(10).saturating_mul(10).saturating_sub(total)).unwrap_or(0);
        let mut buffer = 0_u32;
        for byte in self.value.iter() {
            buffer = buffer << 8 | u32::from(*byte);
            bits = bits.saturating_add(8);
            if bits >= 10 {
                bits = bits.saturating_sub(10);
                indices.push(ten_bits(buffer >> bits));
                buffer &= (1 << bits) - 1;
            }
        }
        let sum =
            polymod(customization(common.extendable).chain(indices.iter().copied()).chain([0; CHECKSUM_WORDS])) ^ 1;
        indices.extend([20, 10, 0].map(|shift| ten_bits(sum >> shift)));
        let mut text = Zeroizing::new(String::with_capacity(indices.len().saturating_mul(9)));
        for index in indices.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(words::word(*index));
        }
        text
    }
}

/// Splits a secret of 16 to 64 bytes, an even number. Returns the shares by group. The identifier is random and the
/// shares are of the extendable kind, so that a second split of the same secret opens with the same passphrase.
///
/// # Errors
/// [`Slip39Error::Parameters`] and [`Slip39Error::Passphrase`] for what the standard does not allow.
pub fn split(
    secret: &[u8],
    passphrase: &str,
    how: &Split,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<Vec<Share>>, Slip39Error> {
    if secret.len() < 16 || secret.len() > 64 || secret.len() % 2 == 1 {
        return Err(Slip39Error::Parameters("the secret must have an even number of bytes, 16 to 64"));
    }
    let count = u8::try_from(how.groups.len()).unwrap_or(u8::MAX);
    if count > 16 || how.groups_needed == 0 || how.groups_needed > count {
        return Err(Slip39Error::Parameters("between 1 and all of at most 16 groups can be needed"));
    }
    if how.iteration_exponent > 15 {
        return Err(Slip39Error::Parameters("the iteration exponent is at most 15"));
    }
    for group in &how.groups {
        if group.needed == 0 || group.needed > group.members || group.members > 16 {
            return Err(Slip39Error::Parameters("between 1 and all of at most 16 members of a group can be needed"));
        }
        if group.needed == 1 && group.members > 1 {
            return Err(Slip39Error::Parameters("one needed of several is one share copied: use 1 of 1"));
        }
    }
    let mut identifier = [0; 2];
    rng.fill_bytes(&mut identifier);
    let common = Common {
        identifier: u16::from_be_bytes(identifier) & 0x7fff,
        extendable: true,
        exponent: how.iteration_exponent,
        groups_needed: how.groups_needed,
        groups: count,
    };
    let encrypted = feistel(secret, passphrase, &common, 0..ROUNDS)?;
    let mut out = Vec::new();
    for ((group, of_group), terms) in share(how.groups_needed, count, &encrypted, rng).into_iter().zip(&how.groups) {
        let members = share(terms.needed, terms.members, &of_group, rng);
        out.push(
            members
                .into_iter()
                .map(|(member, value)| Share { common, group, member, needed: terms.needed, value })
                .collect(),
        );
    }
    Ok(out)
}

/// The secret again, from exactly the shares that are needed: `groups_needed` groups with `needed` members each. A share
/// given twice counts once.
///
/// # Errors
/// [`Slip39Error`] for shares that do not belong together, are too few or too many, or do not fit.
pub fn join(shares: &[Share], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, Slip39Error> {
    let first = shares.first().ok_or(Slip39Error::Count("there are none"))?;
    let mut groups: BTreeMap<u8, Vec<&Share>> = BTreeMap::new();
    for share in shares {
        if share.common != first.common || share.value.len() != first.value.len() {
            return Err(Slip39Error::Mismatch);
        }
        let group = groups.entry(share.group).or_default();
        if group.first().is_some_and(|other| other.needed != share.needed) {
            return Err(Slip39Error::Mismatch);
        }
        match group.iter().find(|other| other.member == share.member) {
            None => group.push(share),
            Some(other) if *other == share => {}
            Some(_) => return Err(Slip39Error::Duplicate),
        }
    }
    if groups.len() != usize::from(first.common.groups_needed) {
        return Err(Slip39Error::Count("the number of groups differs from what is needed"));
    }
    let mut of_groups = Vec::new();
    for (group, members) in groups {
        let needed = members.first().map_or(0, |m| m.needed);
        if members.len() != usize::from(needed) {
            return Err(Slip39Error::Count("the number of shares in a group differs from what is needed"));
        }
        let points = members.into_iter().map(|m| (m.member, m.value.clone())).collect::<Vec<_>>();
        of_groups.push((group, recover(needed, &points)?));
    }
    let encrypted = recover(first.common.groups_needed, &of_groups)?;
    feistel(&encrypted, passphrase, &first.common, (0..ROUNDS).rev())
}

/// The encryption of the standard, and with the rounds in reverse its inverse.
fn feistel(
    input: &[u8],
    passphrase: &str,
    common: &Common,
    rounds: impl Iterator<Item = u8>,
) -> Result<Zeroizing<Vec<u8>>, Slip39Error> {
    if !passphrase.bytes().all(|b| (32..=126).contains(&b)) {
        return Err(Slip39Error::Passphrase);
    }
    let (left, right) = input.split_at(input.len() / 2);
    let (mut left, mut right) = (Zeroizing::new(left.to_vec()), Zeroizing::new(right.to_vec()));
    let iterations = BASE_ITERATIONS.checked_shl(u32::from(common.exponent)).unwrap_or(u32::MAX) / u32::from(ROUNDS);
    let salt = if common.extendable { Vec::new() } else { [&b"shamir"[..], &common.identifier.to_be_bytes()].concat() };
    for round in rounds {
        let password = Zeroizing::new([&[round], passphrase.as_bytes()].concat());
        let salt = Zeroizing::new([&salt[..], &right].concat());
        let mut mask = Zeroizing::new(vec![0; right.len()]);
        pbkdf2::pbkdf2_hmac::<Sha256>(&password, &salt, iterations, &mut mask);
        mask.iter_mut().zip(left.iter()).for_each(|(m, l)| *m ^= l);
        left = std::mem::replace(&mut right, mask);
    }
    Ok(Zeroizing::new([&right[..], &left].concat()))
}

type Point = (u8, Zeroizing<Vec<u8>>);

fn digest(random: &[u8], secret: &[u8]) -> Option<[u8; DIGEST_LEN]> {
    let mut mac = <hmac::Hmac<Sha256> as hmac::KeyInit>::new_from_slice(random).ok()?;
    mac.update(secret);
    let tag: [u8; 32] = mac.finalize().into_bytes().into();
    tag.first_chunk().copied()
}

/// `members` points, of which `needed` give the secret, with a digest by which a wrong set is noticed.
fn share(needed: u8, members: u8, secret: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Point> {
    if needed == 1 {
        return (0..members).map(|x| (x, Zeroizing::new(secret.to_vec()))).collect();
    }
    let mut points: Vec<Point> = Vec::new();
    for x in 0..needed.saturating_sub(2) {
        let mut value = Zeroizing::new(vec![0; secret.len()]);
        rng.fill_bytes(&mut value);
        points.push((x, value));
    }
    let random_points = points.clone();
    let mut checked = Zeroizing::new(vec![0; secret.len()]);
    if let Some((tag, random)) = checked.split_first_chunk_mut::<DIGEST_LEN>() {
        rng.fill_bytes(random);
        *tag = digest(random, secret).unwrap_or_default();
    }
    points.push((DIGEST_AT, checked));
    points.push((SECRET_AT, Zeroizing::new(secret.to_vec())));
    let rest = (needed.saturating_sub(2)..members).map(|x| (x, interpolate(&points, x)));
    random_points.into_iter().chain(rest).collect()
}

fn recover(needed: u8, points: &[Point]) -> Result<Zeroizing<Vec<u8>>, Slip39Error> {
    let places: BTreeSet<u8> = points.iter().map(|(x, _)| *x).collect();
    if places.len() != points.len() {
        return Err(Slip39Error::Duplicate);
    }
    if needed == 1 {
        return points.first().map(|(_, value)| value.clone()).ok_or(Slip39Error::Count("a group is empty"));
    }
    let secret = interpolate(points, SECRET_AT);
    let checked = interpolate(points, DIGEST_AT);
    let (tag, random) = checked.split_first_chunk::<DIGEST_LEN>().ok_or(Slip39Error::Digest)?;
    let expected = digest(random, &secret).ok_or(Slip39Error::Digest)?;
    if bool::from(expected.ct_eq(tag)) { Ok(secret) } else { Err(Slip39Error::Digest) }
}
