//! A plan: everything that can be known of an answer before a single row is touched, proved or refused with its figure.

use crate::convolution::{NoiseKind, half_width};
use crate::estimate::FAILURE;
use crate::query::Query;
use crate::resolve::{Resolved, resolve};
use crate::terms::Study;
use mediveil_dp::{AmountError, Epsilon, Mechanism, MechanismError, Price, Rho, SensitivityError};
use mediveil_fhe::BudgetExceeded;
use mediveil_fhe::opening::Request;

/// Why a query has no plan. Nothing was spent, and no data was looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Not a query.
    #[error("the query cannot be read: {0}")]
    Json(String),
    /// No such column.
    #[error("there is no column {0:?}")]
    NoColumn(String),
    /// The column is of the wrong kind for this.
    #[error("column {column:?}: {why}")]
    Column {
        /// Its name.
        column: String,
        /// What was expected.
        why: &'static str,
    },
    /// A parameter without sense.
    #[error("{0}")]
    Parameter(&'static str),
    /// Products go too deep.
    #[error("the query multiplies {needed} deep and the study allows {available}: use fewer conditions or columns")]
    Depth {
        /// What it needs.
        needed: u32,
        /// What there is.
        available: u32,
    },
    /// A sum with its noise could leave the plaintext space.
    #[error(
        "a sum with its noise could reach 2^{needed} at the declared rows, and the study has room for 2^{available}: narrow \
         the bounds, coarsen the scale or spend more"
    )]
    Overflow {
        /// Bits of the largest possible number.
        needed: u32,
        /// Bits there are.
        available: u32,
    },
    /// Too many cells.
    #[error("the answer would have {cells} numbers, over the limit of {limit}")]
    TooManyCells {
        /// How many.
        cells: u64,
        /// The limit.
        limit: u64,
    },
    /// The noise of the ciphertexts leaves no room for opening them.
    #[error(transparent)]
    Noise(#[from] BudgetExceeded),
    /// The price is too small to divide.
    #[error("this price is too small to be divided among the statistic's parts")]
    Price,
    /// The sensitivity is too large.
    #[error(transparent)]
    Sensitivity(#[from] SensitivityError),
    /// The noise cannot be made.
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    /// A price that is none.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// What a plan proves of one moment: one noisy sum a cell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MomentFigures {
    /// By how much one patient can change all its cells together, in grid steps.
    pub sensitivity: u64,
    /// Scale of each member's noise: Laplace's b or Gaussian's sigma, in grid steps.
    pub scale: f64,
    /// Half-width of the interval that holds the noise of the whole quorum with 95 %, in grid steps.
    pub half_width: f64,
}

/// What a plan proves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Numbers that are released.
    pub numbers: usize,
    /// The moments behind them.
    pub moments: Vec<MomentFigures>,
    /// Products on top of each other.
    pub depth: u32,
    /// Multiplications for each block.
    pub multiplications: u64,
    /// Bits of the largest number that can occur, its noise included.
    pub largest_bits: u32,
    /// Bits there are for it.
    pub plaintext_bits: u32,
    /// Bits of the ciphertexts' noise at the declared rows.
    pub noise_bits: u64,
    /// Bits of each member's smudging.
    pub smudging_bits: u64,
    /// Bits of the modulus that nothing needs.
    pub spare_bits: u64,
    /// Blocks at the declared rows.
    pub blocks: u64,
    /// Bytes that are read of the uploads at the declared rows.
    pub bytes_read: u64,
    /// Bytes of the encrypted answer.
    pub bytes_answer: u64,
    /// Seconds of one core for an evaluation, about: from multiplications of 57 ms at degree 16,384 with seven primes.
    pub seconds: f64,
}

/// A query that is proved to be answerable. [`Study::plan`] makes it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) resolved: Resolved,
    pub(crate) dp: mediveil_dp::Plan,
    pub(crate) kinds: Vec<NoiseKind>,
    study: [u8; 32],
    figures: Figures,
}

/// The chance that noise leaves the room that is left for it.
const ESCAPE: f64 = 1e-15;

impl Plan {
    /// The query, in canonical form.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.resolved.query
    }

    /// What the budget is charged for.
    #[must_use]
    pub const fn charge(&self) -> &mediveil_dp::Plan {
        &self.dp
    }

    /// The study it is a plan of.
    #[must_use]
    pub const fn study(&self) -> &[u8; 32] {
        &self.study
    }

    /// What it proves.
    #[must_use]
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The names of the groups, in the order of the answer.
    #[must_use]
    pub fn groups(&self) -> &[Vec<String>] {
        &self.resolved.groups
    }

    /// Cells of each moment.
    pub(crate) fn cells_each(&self) -> usize {
        self.resolved.groups.len().saturating_mul(self.resolved.bins)
    }
}

impl Study {
    /// Plans a query: finds its columns, derives its sensitivity from the declared bounds, fixes its noise by its price, and
    /// proves depth, room for the largest sum at the declared maximum of rows, and the noise of the ciphertexts. Looks at no
    /// data and at no budget.
    ///
    /// # Errors
    /// [`PlanError`] with the figure that fails.
    pub fn plan(&self, query: &Query) -> Result<Plan, PlanError> {
        let terms = self.terms();
        let resolved = resolve(query, &terms.schema)?;
        let depth = resolved.circuit.deepest();
        if depth > terms.depth {
            return Err(PlanError::Depth { needed: depth, available: terms.depth });
        }
        let numbers = resolved.circuit.cells();
        if numbers > Request::MAX_CIPHERTEXTS {
            let limit = u64::try_from(Request::MAX_CIPHERTEXTS).unwrap_or(u64::MAX);
            return Err(PlanError::TooManyCells { cells: u64::try_from(numbers).unwrap_or(u64::MAX), limit });
        }
        let mechanisms = mechanisms(query, &resolved)?;
        let kinds: Vec<NoiseKind> = mechanisms
            .iter()
            .map(|m| if query.rho.is_some() { NoiseKind::Gaussian(m.scale()) } else { NoiseKind::Laplace(m.scale()) })
            .collect();
        let parameters = self.key().parameters();
        let blocks = terms.max_blocks();
        let rows = blocks.saturating_mul(parameters.degree().into());
        let largest_bits = self.room(&resolved, &kinds, rows)?;
        let model = self.key().noise();
        // One block's noise for each, and one encryption of zero on top.
        let noise = model.sum(&model.times(&resolved.circuit.noise(model), blocks), &model.fresh());
        let opened = u64::try_from(numbers).unwrap_or(u64::MAX);
        let opening = model.opening(&noise, opened, terms.needed, self.key().terms().smudging())?;
        let moments = resolved.moments.iter().zip(&mechanisms).zip(&kinds);
        let moments = moments.map(|((moment, mechanism), kind)| MomentFigures {
            sensitivity: moment.sensitivity.l1(),
            scale: mechanism.scale(),
            half_width: half_width(*kind, terms.needed, FAILURE),
        });
        let ciphertext = u64::try_from(parameters.polynomial_bytes()).unwrap_or(u64::MAX).saturating_mul(2);
        let multiplications = resolved.circuit.multiplications();
        let primes = f64::from(u32::try_from(parameters.moduli().len()).unwrap_or(u32::MAX));
        let each = 0.057 * f64::from(parameters.degree()) / 16_384.0 * (primes / 7.0) * (primes / 7.0);
        let megabytes = small(ciphertext.saturating_mul(resolved.circuit.lanes())) / 1e6;
        let figures = Figures {
            numbers,
            moments: moments.collect(),
            depth,
            multiplications,
            largest_bits,
            plaintext_bits: bits(parameters.max_abs()),
            noise_bits: noise.bits(),
            smudging_bits: opening.smudging_bits,
            spare_bits: opening.spare_bits,
            blocks,
            bytes_read: ciphertext.saturating_mul(resolved.circuit.lanes()).saturating_mul(blocks),
            bytes_answer: ciphertext.saturating_mul(opened),
            seconds: small(blocks) * (small(multiplications) * each + megabytes * 0.01),
        };
        let canonical = [b"mediveil/study/query/v1\0", resolved.query.to_json().as_bytes()].concat();
        let dp =
            mediveil_dp::Plan::new(&canonical, 1, mechanisms).ok_or(PlanError::Parameter("the query is too long"))?;
        Ok(Plan { resolved, dp, kinds, study: self.id(), figures })
    }

    /// Bits of the largest number that any cell can reach over `rows` rows, the noise of the quorum included.
    fn room(&self, resolved: &Resolved, kinds: &[NoiseKind], rows: u64) -> Result<u32, PlanError> {
        let limit = self.key().parameters().max_abs();
        let mut most = 0;
        for (moment, kind) in resolved.moments.iter().zip(kinds) {
            let noise = half_width(*kind, self.terms().needed, ESCAPE);
            let largest = u128::from(moment.row_bound).saturating_mul(rows.into()).saturating_add(whole(noise));
            let needed = 128u32.saturating_sub(largest.leading_zeros());
            if largest > u128::from(limit) {
                return Err(PlanError::Overflow { needed, available: bits(limit) });
            }
            most = needed.max(most);
        }
        Ok(most)
    }
}

fn bits(value: u64) -> u32 {
    64u32.saturating_sub(value.leading_zeros())
}

/// For figures: exact to six digits.
fn small(value: u64) -> f64 {
    crate::estimate::float(i64::try_from(value).unwrap_or(i64::MAX))
}

fn whole(value: f64) -> u128 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate, which is meant")]
    let whole = value.max(0.0) as u128;
    whole
}

/// One mechanism a moment, each for an equal part of the price.
fn mechanisms(query: &Query, resolved: &Resolved) -> Result<Vec<Mechanism>, PlanError> {
    let parts = u64::try_from(resolved.moments.len()).unwrap_or(u64::MAX);
    let prices: Vec<Price> = match (&query.epsilon, &query.rho) {
        (Some(epsilon), None) => {
            let price: Epsilon = epsilon.parse()?;
            price.split(parts).ok_or(PlanError::Price)?.into_iter().map(Price::Epsilon).collect()
        }
        (None, Some(rho)) => {
            let price: Rho = rho.parse()?;
            price.split(parts).ok_or(PlanError::Price)?.into_iter().map(Price::Rho).collect()
        }
        _ => return Err(PlanError::Parameter("a query names its price: epsilon or rho, and not both")),
    };
    let each = resolved.moments.iter().zip(prices).map(|(moment, price)| match price {
        Price::Epsilon(epsilon) => Mechanism::laplace(moment.sensitivity, epsilon),
        Price::Rho(rho) => Mechanism::gaussian(moment.sensitivity, rho),
    });
    Ok(each.collect::<Result<_, _>>()?)
}
