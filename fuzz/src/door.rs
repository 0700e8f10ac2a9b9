//! Policy doors, attribute keys and authorities' parameters: decoded, and a door opened with a key that fits it.

use mediveil_abe::{
    AttributeKey, AttributeSet, Authority, Granularity, Policy, PolicyDoor, PolicyRecipient, PublicParameters, Schema,
};
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Context, DoorKind, Opener, Opening, Recipient, Stanza};
use std::fmt::Debug;
use std::sync::OnceLock;

fn must<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| panic!("{e:?}"))
}

/// A hospital, a key of it, and a door that the key opens.
#[derive(Debug)]
pub struct PolicyWorld {
    /// The hospital.
    pub authority: Authority,
    /// The key.
    pub key: AttributeKey,
    /// The door.
    pub door: Stanza,
    context: Context,
}

impl PolicyWorld {
    /// The one of this process, always the same.
    ///
    /// # Panics
    /// Never, unless sealing is broken.
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<PolicyWorld> = OnceLock::new();
        WORLD.get_or_init(|| {
            let mut rng = SeededRng::from_u64(5);
            let schema = must(Schema::new().integer("clearance", 3));
            let authority = must(Authority::create("fuzz", Granularity::Weeks, schema, &mut rng));
            let set = must(AttributeSet::parse(["x:a", "x:b", "clearance=5"]));
            let time = |text: &str| must::<Timestamp, _>(text.parse());
            let key = must(authority.grant(&set, time("2027-01-01"), time("2026-01-01"), &mut rng));
            let policy = must(Policy::parse("(x:a and x:b) or (x:c and clearance >= 4)"));
            let recipient = must(PolicyRecipient::new(policy, authority.parameters(), time("2026-11-21")));
            let context = Context::new([7; 32], Vec::new());
            let door = must(recipient.wrap(&ContentKey::generate(&mut rng), &context, &mut rng));
            Self { authority, key, door, context }
        })
    }
}

/// Any bytes are refused or are the one encoding of a value; and no door but the valid one opens.
pub fn policy_door(data: &[u8]) {
    let world = PolicyWorld::get();
    crate::wire::canonical::<PolicyDoor>(data);
    crate::wire::canonical::<AttributeKey>(data);
    crate::wire::canonical::<PublicParameters>(data);
    crate::wire::canonical::<Authority>(data);
    let open = |key: &AttributeKey, body: &[u8]| {
        let stanza = Stanza { kind: DoorKind::POLICY, body: body.to_vec() };
        matches!(key.open_stanza(&stanza, &world.context), Opening::Opened(_))
    };
    assert_eq!(open(&world.key, data), data == world.door.body, "another door opens, or this one does not");
    // A key with another claim than it was granted may still open by its other parts, so nothing is said of the result.
    if let Ok(key) = AttributeKey::decode(data) {
        let _ = open(&key, &world.door.body);
    }
    // The input as changes to the valid door.
    let mut body = world.door.body.clone();
    crate::sealed::apply(&mut body, data);
    assert_eq!(open(&world.key, &body), body == world.door.body, "a changed door opens, or this one does not");
}
