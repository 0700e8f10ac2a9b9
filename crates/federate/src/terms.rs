//! What a federation is: agreed once, named by its digest, and proved to hold what its rounds will add up.

use crate::clip::Grid;
use crate::contribution::Contributor;
use crate::error::PlanError;
use crate::task::Task;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Delta, Guarantee, Mechanism, Neighbours, PrivacyUnit, Rho, Sensitivity};
use mediveil_fhe::vector::{VectorNeed, VectorParameters};
use mediveil_ledger::LogId;
use mediveil_seal::identity::PublicIdentity;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Who is protected, and whose vectors are clipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Each patient has one vector, which the site clips before it adds them up. Neighbours differ by one patient.
    Patient,
    /// Each site has one vector, clipped as a whole. Neighbours differ by one site; its patients are protected with it.
    Site,
}

/// The terms of a federation. They never change: other terms are another federation.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// What it is called.
    pub title: String,
    /// What the vectors mean.
    pub task: Task,
    /// Who contributes vectors, numbered from 0.
    pub sites: Vec<PublicIdentity>,
    /// Who adds noise and opens, numbered from 1.
    pub members: Vec<PublicIdentity>,
    /// Members that open, more than half of them; one fewer learn nothing.
    pub needed: u32,
    /// The fewest sites that a round is closed over.
    pub least_sites: u32,
    /// Who keeps the log and pays from the budget.
    pub operator: PublicIdentity,
    /// The log of rounds, contributions, closings and debits.
    pub log: LogId,
    /// Who is protected.
    pub unit: Unit,
    /// Entries of each vector.
    pub entries: u32,
    /// The clip and its grid.
    pub grid: Grid,
    /// Bits that an entry of one site's sum has, its sign included.
    pub bits: u32,
    /// The most patients of one site.
    pub max_patients: u32,
    /// How many rounds there are, at most.
    pub rounds: u32,
    /// What each round costs.
    pub rho: Rho,
    /// What all rounds may cost.
    pub cap: Rho,
    /// The degree of the ring: 4096, or a smaller one in tests.
    pub degree: u32,
}

/// The chance that the noise of any entry of any one round leaves the room that was planned for it: 2^-64.
const ESCAPE_BITS: f64 = 64.0;

/// What the terms prove.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// How far two neighbours' sums can be apart, in grid steps and Euclidean length.
    pub sensitivity: u64,
    /// The parameter of each member's discrete Gaussian, in grid steps.
    pub sigma: f64,
    /// What each round is charged: the privacy map's word on that sigma, not above the price.
    pub each: Rho,
    /// The charge of all rounds.
    pub total: Rho,
    /// The largest entry of one site, in grid steps.
    pub largest_site: u64,
    /// What the noise of all members together stays within, at every entry, but for a chance of 2^-64.
    pub largest_noise: u64,
    /// Bytes of one site's vector at its declared bits.
    pub quantised_bytes: u64,
    /// Bytes of its upload, shares to all members included, before framing.
    pub upload_bytes: u64,
    pub(crate) vector: VectorParameters,
    pub(crate) mechanism: Mechanism,
}

impl Plan {
    /// Upload over quantised size.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let float = |v: u64| crate::clip::float(i64::try_from(v).unwrap_or(i64::MAX));
        float(self.upload_bytes) / float(self.quantised_bytes.max(1))
    }

    /// The ring and its packing.
    #[must_use]
    pub const fn vector(&self) -> &VectorParameters {
        &self.vector
    }
}

impl Terms {
    /// The most sites.
    pub const MAX_SITES: usize = 64;
    /// The most members.
    pub const MAX_MEMBERS: usize = 64;
    /// The most rounds.
    pub const MAX_ROUNDS: u32 = 10_000;
    /// The ring's degree outside of tests.
    pub const DEGREE: u32 = 4096;

    /// What each of so many rounds may cost for all of them to fit the cap: a part rounded down, which is the cap itself where
    /// no part is left.
    #[must_use]
    pub fn equal_part(cap: Rho, rounds: u32) -> Rho {
        cap.units().checked_div(rounds.into()).filter(|units| *units > 0).and_then(Rho::from_units).unwrap_or(cap)
    }

    /// Proves that the terms hold: ranges, overflow of the sums, the ring and the price of all rounds.
    ///
    /// # Errors
    /// [`PlanError`] with the figure that fails.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        if self.title.is_empty() || self.title.len() > 256 {
            return Err(PlanError::Invalid("a federation has a title of 1 to 256 bytes"));
        }
        if self.sites.is_empty() || self.sites.len() > Self::MAX_SITES || !PublicIdentity::all_differ(&self.sites) {
            return Err(PlanError::Invalid("a federation has 1 to 64 sites, each of them once"));
        }
        if self.members.is_empty()
            || self.members.len() > Self::MAX_MEMBERS
            || !PublicIdentity::all_differ(&self.members)
        {
            return Err(PlanError::Invalid("a committee has 1 to 64 members, each of them once"));
        }
        let (sites, members) = (count(&self.sites), count(&self.members));
        // Two quorums have a member in common, who answers once a round.
        if self.needed > members || self.needed.saturating_mul(2) <= members {
            return Err(PlanError::Invalid("more than half of the members are needed, and not more than there are"));
        }
        if self.least_sites == 0 || self.least_sites > sites {
            return Err(PlanError::Invalid("a round needs at least one site, and not more than there are"));
        }
        if !(2..=48).contains(&self.bits) {
            return Err(PlanError::Invalid("an entry of a site has 2 to 48 bits"));
        }
        if self.max_patients == 0 || self.max_patients > 1 << 24 {
            return Err(PlanError::Invalid("a site has 1 to 2^24 patients"));
        }
        if self.rounds == 0 || self.rounds > Self::MAX_ROUNDS {
            return Err(PlanError::Invalid("a federation has 1 to 10,000 rounds"));
        }
        self.task.check(self.entries)?;
        let vectors = if self.unit == Unit::Patient { self.max_patients } else { 1 };
        let largest_site = u64::from(self.grid.norm()).saturating_mul(vectors.into());
        let limit = (1u64 << (self.bits - 1)).saturating_sub(1);
        if largest_site > limit {
            return Err(PlanError::Range { reach: largest_site, bits: self.bits, limit });
        }
        let sensitivity = Sensitivity::clipped(privacy_unit()?, self.entries, self.grid.norm().into())?;
        let mechanism = Mechanism::gaussian(sensitivity, self.rho)?;
        let sigma = mechanism.scale();
        let each = match mechanism.cost(mediveil_dp::accounting::Regime::Concentrated)? {
            Some(Cost::Concentrated { rho, .. }) => rho,
            _ => return Err(PlanError::Invalid("Gaussian noise is priced in rho")),
        };
        let total = each.units().checked_mul(self.rounds.into()).and_then(Rho::from_units);
        let total = total.filter(|total| *total <= self.cap);
        let total = total.ok_or(PlanError::Budget { rounds: self.rounds, each, cap: self.cap })?;
        let largest_noise = noise_bound(sigma, members, self.entries);
        let largest = largest_site.saturating_mul(sites.into()).saturating_add(largest_noise);
        let entries = usize::try_from(self.entries).map_err(|_| PlanError::Invalid("too many entries"))?;
        let need = VectorNeed { entries, contributors: sites.saturating_add(members), largest };
        let vector = parameters(self.degree, &need)?;
        let shares = vector.share_bytes().saturating_mul(members.into());
        Ok(Plan {
            sensitivity: self.grid.norm().into(),
            sigma,
            each,
            total,
            largest_site,
            largest_noise,
            quantised_bytes: u64::from(self.entries).saturating_mul(self.bits.into()).div_ceil(8),
            upload_bytes: vector.vector_bytes().saturating_add(shares),
            vector,
            mechanism,
        })
    }

    /// The federation's name: SHA-256 of the terms. It is also the data set's id in the budget.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/federate/terms/v1\0").chain_update(self.encode()).finalize().into()
    }

    /// Everybody who could contribute: the sites, then the members.
    pub fn contributors(&self) -> impl Iterator<Item = Contributor> + use<> {
        let sites = (0u32..).take(self.sites.len()).map(Contributor::Site);
        sites.chain((1u32..).take(self.members.len()).map(Contributor::Member))
    }

    /// The number of the site with this identity, from 0.
    #[must_use]
    pub fn site(&self, identity: &PublicIdentity) -> Option<u32> {
        identity.place_in(&self.sites)
    }

    /// The number of the member with this identity, from 1.
    #[must_use]
    pub fn member(&self, identity: &PublicIdentity) -> Option<u32> {
        identity.place_in(&self.members)?.checked_add(1)
    }
}

/// Who is protected, as the budget has it: one vector each. With [`Unit::Site`] its "patient" is a site.
fn privacy_unit() -> Result<PrivacyUnit, PlanError> {
    PrivacyUnit::new(Neighbours::AddRemove, 1).ok_or(PlanError::Invalid("one vector each"))
}

fn count<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

fn parameters(degree: u32, need: &VectorNeed) -> Result<VectorParameters, PlanError> {
    if degree == Terms::DEGREE {
        return Ok(VectorParameters::for_need(need)?);
    }
    #[cfg(feature = "testing")]
    let toy = Ok(VectorParameters::insecure_for_tests(degree, need)?);
    #[cfg(not(feature = "testing"))]
    let toy = Err(PlanError::Invalid("the ring's degree is 4096"));
    toy
}

/// A discrete Gaussian of parameter sigma is sub-Gaussian with that parameter (Canonne, Kamath, Steinke, arXiv 2004.00010,
/// proposition 25), and the sum of n with sigma sqrt(n): P(|S| > w) <= 2 exp(-w^2 / (2 n sigma^2)); over all entries by the
/// union bound.
fn noise_bound(sigma: f64, members: u32, entries: u32) -> u64 {
    let tail = libm::log(2.0 * f64::from(entries)) + ESCAPE_BITS * std::f64::consts::LN_2;
    let width = sigma * libm::sqrt(2.0 * f64::from(members) * tail) * (1.0 + 1e-9);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate, which is meant")]
    let whole = libm::ceil(width) as u64;
    whole.saturating_add(1)
}

fn decode_rho(d: &mut Decoder<'_>) -> Result<Rho, DecodeError> {
    Rho::from_units(d.u64()?).ok_or_else(|| d.invalid("not an amount of privacy"))
}

impl Wire for Terms {
    const TYPE: ObjectType = ObjectType::FederateTerms;
    const MAX_BODY: usize = 1 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(18).text(&self.title).text(&self.task.to_json());
        PublicIdentity::encode_list(e, &self.sites);
        PublicIdentity::encode_list(e, &self.members);
        e.u32(self.needed).u32(self.least_sites).bytes(&self.operator.encode()).bytes(self.log.as_bytes());
        e.bool(self.unit == Unit::Site).u32(self.entries).u64(self.grid.clip().to_bits()).u32(self.grid.norm());
        e.u32(self.bits).u32(self.max_patients).u32(self.rounds).u64(self.rho.units()).u64(self.cap.units());
        e.u32(self.degree);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(18)?;
        let title = d.text(256)?.to_owned();
        let json = d.text(1 << 16)?;
        let task = Task::from_json(json).map_err(|_| d.invalid("not a task"))?;
        if task.to_json() != json {
            return Err(d.invalid("the task is not in canonical form"));
        }
        let sites = d.list(Self::MAX_SITES, PublicIdentity::decode_item)?;
        let members = d.list(Self::MAX_MEMBERS, PublicIdentity::decode_item)?;
        let (needed, least_sites) = (d.u32()?, d.u32()?);
        let operator = PublicIdentity::decode_item(d)?;
        let log = LogId::from_bytes(d.byte_array()?);
        let unit = if d.bool()? { Unit::Site } else { Unit::Patient };
        let entries = d.u32()?;
        let (clip, norm) = (f64::from_bits(d.u64()?), d.u32()?);
        let grid = Grid::new(clip, norm).ok_or_else(|| d.invalid("not a clip and its grid"))?;
        let (bits, max_patients, rounds) = (d.u32()?, d.u32()?, d.u32()?);
        let (rho, cap, degree) = (decode_rho(d)?, decode_rho(d)?, d.u32()?);
        let terms = Self {
            title,
            task,
            sites,
            members,
            needed,
            least_sites,
            operator,
            log,
            unit,
            entries,
            grid,
            bits,
            max_patients,
            rounds,
            rho,
            cap,
            degree,
        };
        terms.plan().map_err(|_| d.invalid("the terms make no federation"))?;
        Ok(terms)
    }
}

/// A federation whose terms are proved to hold. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Federation {
    terms: Arc<Terms>,
    plan: Arc<Plan>,
    budget: mediveil_dp::Terms,
    id: [u8; 32],
}

impl Federation {
    /// The federation of these terms.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(terms: Terms) -> Result<Self, PlanError> {
        let plan = terms.plan()?;
        let id = terms.id();
        let budget = mediveil_dp::Terms {
            data_set: id,
            unit: privacy_unit()?,
            guarantee: Guarantee::DataSet,
            cap: Cost::Concentrated { rho: terms.cap, delta: Delta::ZERO },
        };
        Ok(Self { terms: terms.into(), plan: plan.into(), budget, id })
    }

    /// The terms of its budget.
    #[must_use]
    pub const fn budget_terms(&self) -> &mediveil_dp::Terms {
        &self.budget
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What they prove.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> [u8; 32] {
        self.id
    }

    /// Members, as a number.
    pub(crate) fn members(&self) -> u32 {
        count(&self.terms.members)
    }
}
