//! The parser: `struson` reads tokens strictly and without recursion; this adds what I-JSON (RFC 7493) and our limits ask,
//! and builds the value on an explicit stack.

use super::{Number, Object, ParseError, ParseErrorKind, Value, compare_names};
use crate::{LeafValue, Limits, path};
use std::fmt::Write as _;
use struson::reader::{
    JsonReader, JsonReaderPosition, JsonStreamReader, ReaderError, ReaderSettings, SyntaxErrorKind, ValueType,
};

/// The JSON document that `bytes` are, all of them.
///
/// # Errors
/// [`ParseError`] for anything but one value of I-JSON within the limits.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, ParseError> {
    Parser::new(bytes, limits, false)?.document()
}

/// [`parse`], and every member name is an element name, every number one that a leaf can hold.
pub(crate) fn parse_fhir(bytes: &[u8], limits: &Limits) -> Result<Value, ParseError> {
    Parser::new(bytes, limits, true)?.document()
}

/// A container that is still open.
enum Open {
    Array(Vec<Value>),
    /// The members so far with the offsets of their names, and the name whose value comes next.
    Object {
        members: Vec<(String, Value, usize)>,
        name: String,
        offset: usize,
    },
}

struct Parser<'b> {
    reader: JsonStreamReader<&'b [u8]>,
    stack: Vec<Open>,
    depth: usize,
    values_left: usize,
    values: usize,
    fhir: bool,
}

impl<'b> Parser<'b> {
    fn new(bytes: &'b [u8], limits: &Limits, fhir: bool) -> Result<Self, ParseError> {
        let at = |offset, kind| ParseError { offset, path: String::new(), kind };
        if bytes.len() > limits.bytes {
            return Err(at(limits.bytes, ParseErrorKind::TooLong { found: bytes.len(), limit: limits.bytes }));
        }
        if bytes.starts_with(b"\xef\xbb\xbf") || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(at(0, ParseErrorKind::ByteOrderMark));
        }
        if let Err(e) = core::str::from_utf8(bytes) {
            return Err(at(e.valid_up_to(), ParseErrorKind::NotUtf8));
        }
        // Depth is counted here, where it is reported with a path; numbers are judged by their lexeme.
        let settings = ReaderSettings {
            allow_comments: false,
            allow_trailing_comma: false,
            allow_multiple_top_level: false,
            track_path: false,
            max_nesting_depth: None,
            restrict_number_values: false,
        };
        Ok(Self {
            reader: JsonStreamReader::new_custom(bytes, settings),
            stack: Vec::new(),
            depth: limits.depth.min(Limits::MAX_DEPTH),
            values_left: limits.values,
            values: limits.values,
            fhir,
        })
    }

    fn document(mut self) -> Result<Value, ParseError> {
        let mut value = self.begin_value()?;
        loop {
            if let Some(complete) = value {
                match self.stack.last_mut() {
                    None => {
                        self.reader.consume_trailing_whitespace().map_err(|e| convert(&e, String::new()))?;
                        return Ok(complete);
                    }
                    Some(Open::Array(items)) => items.push(complete),
                    Some(Open::Object { members, name, offset }) => {
                        members.push((core::mem::take(name), complete, *offset));
                    }
                }
            }
            value = self.advance()?;
        }
    }

    /// Inside an open container: begins its next value, or closes it and returns it.
    fn advance(&mut self) -> Result<Option<Value>, ParseError> {
        if self.reader.has_next().map_err(|e| self.error(&e))? {
            if matches!(self.stack.last(), Some(Open::Object { .. })) {
                self.member_name()?;
            }
            return self.begin_value();
        }
        match self.stack.pop() {
            Some(Open::Array(items)) => {
                self.reader.end_array().map_err(|e| self.error(&e))?;
                Ok(Some(Value::Array(items)))
            }
            Some(Open::Object { members, .. }) => {
                self.reader.end_object().map_err(|e| self.error(&e))?;
                self.close_object(members).map(|o| Some(Value::Object(o)))
            }
            None => Ok(None),
        }
    }

    fn member_name(&mut self) -> Result<(), ParseError> {
        let at = self.offset();
        let next = self.reader.next_name_owned();
        let next = next.map_err(|e| self.error(&e))?;
        if let Some(kind) = forbidden(&next) {
            return Err(self.error_at(at, kind));
        }
        if self.fhir && !path::is_element_name(&next) {
            return Err(self.error_at(at, ParseErrorKind::NotAnElementName));
        }
        if let Some(Open::Object { name, offset, .. }) = self.stack.last_mut() {
            *name = next;
            *offset = at;
        }
        Ok(())
    }

    /// Reads a scalar, or opens a container and returns `None`.
    fn begin_value(&mut self) -> Result<Option<Value>, ParseError> {
        let kind = self.reader.peek().map_err(|e| self.error(&e))?;
        let at = self.offset();
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or_else(|| self.error_at(at, ParseErrorKind::TooManyValues(self.values)))?;
        let value = match kind {
            ValueType::Array | ValueType::Object => {
                if self.stack.len() >= self.depth {
                    return Err(self.error_at(at, ParseErrorKind::TooDeep(self.depth)));
                }
                let (begun, open) = if kind == ValueType::Array {
                    (self.reader.begin_array(), Open::Array(Vec::new()))
                } else {
                    (self.reader.begin_object(), Open::Object { members: Vec::new(), name: String::new(), offset: at })
                };
                begun.map_err(|e| self.error(&e))?;
                self.stack.push(open);
                return Ok(None);
            }
            ValueType::Null => {
                self.reader.next_null().map_err(|e| self.error(&e))?;
                Value::Null
            }
            ValueType::Boolean => Value::Boolean(self.reader.next_bool().map_err(|e| self.error(&e))?),
            ValueType::Number => {
                let lexeme = self.reader.next_number_as_string();
                let lexeme = lexeme.map_err(|e| self.error(&e))?;
                if self.fhir && LeafValue::from_number(&lexeme).is_none() {
                    return Err(self.error_at(at, ParseErrorKind::NumberRange));
                }
                Value::Number(Number(lexeme.into()))
            }
            ValueType::String => {
                let text = self.reader.next_string();
                let text = text.map_err(|e| self.error(&e))?;
                if let Some(kind) = forbidden(&text) {
                    return Err(self.error_at(at, kind));
                }
                Value::String(text)
            }
        };
        Ok(Some(value))
    }

    /// Puts the members in order and refuses a name that occurs twice.
    fn close_object(&self, mut members: Vec<(String, Value, usize)>) -> Result<Object, ParseError> {
        // Stable, so that of two equal names the later one comes second.
        members.sort_by(|(a, ..), (b, ..)| compare_names(a, b));
        let twice = members.iter().zip(members.iter().skip(1)).filter(|((a, ..), (b, ..))| a == b);
        if let Some((name, offset)) = twice.map(|(_, (name, _, offset))| (name, *offset)).min_by_key(|(_, o)| *o) {
            let mut path = self.path();
            push_name(&mut path, name);
            return Err(ParseError { offset, path, kind: ParseErrorKind::DuplicateName });
        }
        Ok(Object(members.into_iter().map(|(name, value, _)| (name, value)).collect()))
    }

    fn offset(&self) -> usize {
        position(&self.reader.current_position(false))
    }

    /// The path of the value that is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.stack {
            match open {
                Open::Array(items) => {
                    let _ = write!(path, "[{}]", items.len());
                }
                Open::Object { name, .. } if name.is_empty() => {}
                Open::Object { name, .. } => push_name(&mut path, name),
            }
        }
        path
    }

    fn error_at(&self, offset: usize, kind: ParseErrorKind) -> ParseError {
        ParseError { offset, path: self.path(), kind }
    }

    fn error(&self, error: &ReaderError) -> ParseError {
        convert(error, self.path())
    }
}

/// Adds a member to a path; a name that is no element name could be anything, even a patient's, and becomes `?`.
fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(if path::is_element_name(name) { name } else { "?" });
}

fn position(location: &JsonReaderPosition) -> usize {
    location.data_pos.and_then(|p| usize::try_from(p).ok()).unwrap_or(usize::MAX)
}

/// What RFC 8259 lets into a string and we do not.
fn forbidden(text: &str) -> Option<ParseErrorKind> {
    text.chars().find_map(|c| match u32::from(c) {
        0 => Some(ParseErrorKind::Nul),
        c if (0xfdd0..=0xfdef).contains(&c) || c & 0xfffe == 0xfffe => Some(ParseErrorKind::Noncharacter),
        _ => None,
    })
}

fn convert(error: &ReaderError, path: String) -> ParseError {
    let (location, kind) = match error {
        ReaderError::SyntaxError(e) => (Some(&e.location), syntax(e.kind)),
        ReaderError::UnexpectedValueType { location, .. }
        | ReaderError::UnexpectedStructure { location, .. }
        | ReaderError::MaxNestingDepthExceeded { location, .. }
        | ReaderError::UnsupportedNumberValue { location, .. } => (Some(location), ParseErrorKind::Syntax("malformed")),
        // The input is in memory and known to be UTF-8, so this is out of reach; it is still an error and no panic.
        _ => (None, ParseErrorKind::NotUtf8),
    };
    ParseError { offset: location.map_or(usize::MAX, position), path, kind }
}

const fn syntax(kind: SyntaxErrorKind) -> ParseErrorKind {
    use SyntaxErrorKind as K;
    ParseErrorKind::Syntax(match kind {
        K::UnpairedSurrogatePairEscapeSequence => return ParseErrorKind::LoneSurrogate,
        K::IncompleteDocument => return ParseErrorKind::Truncated,
        K::TrailingData => return ParseErrorKind::Trailing,
        K::CommentsNotEnabled | K::IncompleteComment | K::BlockCommentNotClosed => "JSON has no comments",
        K::InvalidLiteral | K::TrailingDataAfterLiteral => "a word other than true, false and null",
        K::UnexpectedClosingBracket => "a closing bracket that nothing opened",
        K::UnexpectedComma | K::TrailingCommaNotEnabled => "a comma with nothing after it",
        K::MissingComma => "a comma is missing",
        K::UnexpectedColon => "a colon out of place",
        K::MissingColon => "a colon is missing after a name",
        K::MalformedNumber | K::TrailingDataAfterNumber => "a malformed number",
        K::ExpectingMemberNameOrObjectEnd => "expected a name in quotes, or the end of the object",
        K::NotEscapedControlCharacter => "a control character that is not escaped",
        K::UnknownEscapeSequence | K::MalformedEscapeSequence => "an escape that JSON does not have",
        _ => "expected a value",
    })
}
