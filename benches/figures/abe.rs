//! Attribute-based encryption: bytes of a door and of a key for 50 attributes, without numbers and epochs.

use crate::print;
use mediveil_abe::{AttributeSet, Authority, Granularity, Policy, PolicyRecipient, Schema};
use mediveil_codec::Wire;
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Context, Recipient};
use std::error::Error;

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    let mut rng = SeededRng::from_u64(1);
    let names: Vec<String> = (0..50).map(|i| format!("attr:value{i:02}")).collect();
    let authority = Authority::create("figures", Granularity::Days, Schema::new(), &mut rng)?;
    let attributes = AttributeSet::parse(names.iter().map(String::as_str))?;
    let key = authority.grant_without_expiry(&attributes, &mut rng)?;
    print("abe.key_bytes.50", key.encode().len() as f64, None);
    // The whole stanza: points, the policy's text and the wrapped content key.
    let recipient = PolicyRecipient::without_expiry(Policy::parse(&names.join(" and "))?, authority.parameters())?;
    let door = recipient.wrap(&ContentKey::generate(&mut rng), &Context::new([7; 32], Vec::new()), &mut rng)?;
    print("abe.ciphertext_bytes.50", door.body.len() as f64, None);
    Ok(())
}
