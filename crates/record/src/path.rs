//! Paths: the address of a leaf in its resource.
//!
//! ```text
//! path    = name *( "." name / "[" index "]" )
//! name    = ( ALPHA / "_" ) *63( ALPHA / DIGIT / "_" )      ; a FHIR element, "_name" for its extensions
//! index   = "0" / %x31-39 *DIGIT                            ; from 0, nulls counted
//! ```
//!
//! So `component[0].valueQuantity.value` is the value of an Observation's first component, and `name[0].given[1]` a
//! patient's second given name. Names hold no dots or brackets, so a path has one reading. One path is not of this
//! grammar: [`DIGEST`], under which a commitment holds the digest of the whole resource.

/// The path of the leaf that holds the SHA-256 digest of the resource's canonical bytes.
pub const DIGEST: &str = "$digest";

/// The longest path in bytes that an opening can carry.
pub const MAX_LEN: usize = 32 * 1024;

const MAX_NAME: usize = 64;

/// Whether a member of a FHIR object can have this name.
#[must_use]
pub fn is_element_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether this is the path of some leaf.
#[must_use]
pub fn is_path(text: &str) -> bool {
    if text == DIGEST {
        return true;
    }
    text.len() <= MAX_LEN && text.split('.').all(is_step)
}

/// A name with any number of indices behind it.
fn is_step(step: &str) -> bool {
    let (name, mut rest) = step.split_at(step.find('[').unwrap_or(step.len()));
    if !is_element_name(name) {
        return false;
    }
    while let Some(open) = rest.strip_prefix('[') {
        let Some((index, after)) = open.split_once(']') else { return false };
        let canonical = index == "0" || !index.starts_with('0');
        if index.is_empty() || index.len() > 10 || !canonical || !index.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn has_one_spelling() {
        for ok in
            ["resourceType", "component[0].valueQuantity.value", "_birthDate.extension[10].url", "a[0][1]", "$digest"]
        {
            assert!(is_path(ok), "{ok}");
        }
        let bad = [
            "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[00]", "a[01]", "a[+1]", "a[1]b", "[0]", "0a", "a b", "$x",
            "é", "a[1 ]",
        ];
        for bad in bad {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
