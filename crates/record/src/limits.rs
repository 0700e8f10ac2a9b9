//! What a caller is willing to read.

/// Limits on input, checked while it is read: memory stays proportional to the smaller of input and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest input in bytes. Default 64 MiB.
    pub bytes: usize,
    /// Deepest nesting of objects and arrays; the outermost one counts as 1. Default 64, never more than
    /// [`MAX_DEPTH`](Self::MAX_DEPTH) whatever is set here.
    pub depth: usize,
    /// Most JSON values of any kind, scalars and containers together. Default 4,000,000, some 200 MB of memory.
    pub values: usize,
    /// Most resources in one bundle. Default 100,000.
    pub resources: usize,
}

impl Limits {
    /// The deepest nesting that any setting allows; code after the parser may recurse this far.
    pub const MAX_DEPTH: usize = 256;

    /// The defaults, for constants.
    pub const DEFAULT: Self = Self { bytes: 64 << 20, depth: 64, values: 4_000_000, resources: 100_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
