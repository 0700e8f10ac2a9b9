//! The parser of the policy language: a lexer and a recursive descent whose depth is counted.

use super::{Comparison, MAX_DEPTH, MAX_TERMS, Node, Number, PolicyError, Test};
use crate::attribute::{Attribute, is_word_char};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Comma,
    Colon,
    Dots,
    Operator(&'a str),
    Word(&'a str),
    Quoted(String),
    End,
}

struct Parser<'a> {
    text: &'a str,
    /// Byte offset behind the current token.
    next: usize,
    /// Byte offset of the current token.
    start: usize,
    token: Token<'a>,
    depth: usize,
    terms: usize,
}

/// The policy that `text` writes, not yet checked against all limits.
pub(super) fn policy(text: &str) -> Result<Node, PolicyError> {
    let mut p = Parser { text, next: 0, start: 0, token: Token::End, depth: 0, terms: 0 };
    p.advance()?;
    let node = p.any()?;
    match p.token {
        Token::End => Ok(node),
        Token::Colon => Err(p.expected("`and`, `or` or the end; a value with a colon needs quotes, as in a:\"b:c\",")),
        _ => Err(p.expected("`and`, `or` or the end")),
    }
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.next..).unwrap_or_default()
    }

    /// The character at byte `offset`, counted from 1.
    fn position(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or(self.text).chars().count().saturating_add(1)
    }

    fn expected_at(&self, offset: usize, expected: impl Into<String>) -> PolicyError {
        PolicyError::Syntax { at: self.position(offset), expected: expected.into() }
    }

    fn expected(&self, expected: impl Into<String>) -> PolicyError {
        self.expected_at(self.start, expected)
    }

    /// Reads the next token.
    fn advance(&mut self) -> Result<(), PolicyError> {
        let blank = self.rest().len().saturating_sub(self.rest().trim_start().len());
        self.next = self.next.saturating_add(blank);
        self.start = self.next;
        let rest = self.rest();
        let (token, len) = match rest.chars().next() {
            None => (Token::End, 0),
            Some('(') => (Token::Open, 1),
            Some(')') => (Token::Close, 1),
            Some(',') => (Token::Comma, 1),
            Some(':') => (Token::Colon, 1),
            Some('<' | '>' | '=') => {
                let len = if rest.as_bytes().get(1) == Some(&b'=') { 2 } else { 1 };
                (Token::Operator(rest.get(..len).unwrap_or_default()), len)
            }
            Some('"') => self.quoted(rest)?,
            Some('.') if rest.starts_with("..") => (Token::Dots, 2),
            Some(c) if is_word_char(c) => {
                let len = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
                let word = rest.get(..len).unwrap_or_default();
                // Two dots are the range sign, never part of a word.
                let word = word.split_once("..").map_or(word, |(before, _)| before);
                (Token::Word(word), word.len())
            }
            Some(_) => return Err(self.expected("a policy; put a value with other characters in quotes,")),
        };
        self.token = token;
        self.next = self.next.saturating_add(len);
        Ok(())
    }

    /// A quoted value and its length in the text.
    fn quoted(&self, rest: &str) -> Result<(Token<'a>, usize), PolicyError> {
        let mut value = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return Ok((Token::Quoted(value), at.saturating_add(1))),
                '\\' => {
                    let escape = |p: &Self| p.expected_at(p.start.saturating_add(at), "\\\", \\\\ or \\u{hex}");
                    match chars.next() {
                        Some((_, c @ ('"' | '\\'))) => value.push(c),
                        Some((_, 'u')) => {
                            let open = chars.next().is_some_and(|(_, c)| c == '{');
                            let hex: String =
                                chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').take(9).collect();
                            let code = u32::from_str_radix(&hex, 16).ok().filter(|_| open && !hex.starts_with('+'));
                            value.push(code.and_then(char::from_u32).ok_or_else(|| escape(self))?);
                        }
                        _ => return Err(escape(self)),
                    }
                }
                c => value.push(c),
            }
        }
        Err(self.expected_at(self.text.len(), "a closing quote"))
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.token, Token::Word(w) if w.eq_ignore_ascii_case(keyword))
    }

    fn any(&mut self) -> Result<Node, PolicyError> {
        let mut children = vec![self.all()?];
        while self.is_keyword("or") {
            self.advance()?;
            children.push(self.all()?);
        }
        Node::gate(1, children)
    }

    fn all(&mut self) -> Result<Node, PolicyError> {
        let mut children = vec![self.term()?];
        while self.is_keyword("and") {
            self.advance()?;
            children.push(self.term()?);
        }
        Node::gate(children.len(), children)
    }

    /// Enters a pair of parentheses.
    fn open(&mut self) -> Result<(), PolicyError> {
        if self.depth >= MAX_DEPTH {
            return Err(PolicyError::TooDeep { at: self.position(self.start) });
        }
        self.depth = self.depth.saturating_add(1);
        self.advance()
    }

    fn close(&mut self, expected: &str) -> Result<(), PolicyError> {
        if self.token != Token::Close {
            return Err(self.expected(expected));
        }
        self.depth = self.depth.saturating_sub(1);
        self.advance()
    }

    fn term(&mut self) -> Result<Node, PolicyError> {
        let word = match self.token {
            Token::Open => {
                self.open()?;
                let inner = self.any()?;
                self.close("`and`, `or` or `)`")?;
                return Ok(inner);
            }
            Token::Word(word) => word,
            _ => return Err(self.expected("an attribute, a comparison, `k of` or `(`")),
        };
        let start = self.start;
        if word.eq_ignore_ascii_case("not") {
            return Err(self.expected("an attribute; there is no `not`: write the values that are allowed;"));
        }
        self.advance()?;
        if self.is_keyword("of") && word.bytes().all(|b| b.is_ascii_digit()) {
            return self.threshold(word, start);
        }
        self.terms = self.terms.saturating_add(1);
        if self.terms > MAX_TERMS {
            return Err(PolicyError::TooManyTerms);
        }
        match self.token.clone() {
            Token::Colon => self.attribute(word, start),
            Token::Operator(operator) => self.comparison(word, start, operator),
            Token::Word(w) if w.eq_ignore_ascii_case("in") => self.range(word, start),
            _ => Err(self.expected("`:`, a comparison or `in`")),
        }
    }

    fn threshold(&mut self, count: &str, start: usize) -> Result<Node, PolicyError> {
        let needed = count.parse().map_err(|_| self.expected_at(start, "a smaller number"))?;
        self.advance()?;
        if self.token != Token::Open {
            return Err(self.expected("`(`"));
        }
        self.open()?;
        let mut children = vec![self.any()?];
        while self.token == Token::Comma {
            self.advance()?;
            children.push(self.any()?);
        }
        self.close("`,`, `and`, `or` or `)`")?;
        let of = children.len();
        if needed == 0 || needed > of {
            return Err(self.expected_at(start, format!("a number from 1 to {of}")));
        }
        Node::gate(needed, children)
    }

    fn attribute(&mut self, name: &str, start: usize) -> Result<Node, PolicyError> {
        self.advance()?;
        let value = match &self.token {
            Token::Word(word) => (*word).to_owned(),
            Token::Quoted(value) => value.clone(),
            _ => return Err(self.expected("a value")),
        };
        let attribute =
            Attribute::new(name, &value).map_err(|e| self.expected_at(start, format!("an attribute ({e})")))?;
        self.advance()?;
        Ok(Node::Attribute(attribute))
    }

    fn number(&mut self) -> Result<Number, PolicyError> {
        let expected = "a number up to 4294967295 or a date such as 2027-01-31";
        let Token::Word(word) = self.token else { return Err(self.expected(expected)) };
        let number = Number::parse(word).ok_or_else(|| self.expected(expected))?;
        self.advance()?;
        Ok(number)
    }

    fn comparison(&mut self, name: &str, start: usize, operator: &str) -> Result<Node, PolicyError> {
        self.advance()?;
        let number = self.number()?;
        let test = match operator {
            "<" => Test::Less(number),
            "<=" => Test::AtMost(number),
            ">" => Test::More(number),
            ">=" => Test::AtLeast(number),
            _ => Test::Equal(number),
        };
        self.compare(name, start, test)
    }

    fn range(&mut self, name: &str, start: usize) -> Result<Node, PolicyError> {
        self.advance()?;
        let low = self.number()?;
        if self.token != Token::Dots {
            return Err(self.expected("`..`"));
        }
        self.advance()?;
        let high = self.number()?;
        self.compare(name, start, Test::Between(low, high))
    }

    fn compare(&self, name: &str, start: usize, test: Test) -> Result<Node, PolicyError> {
        match Comparison::new(name, test) {
            Ok(comparison) => Ok(Node::Comparison(comparison)),
            Err(PolicyError::Syntax { expected, .. }) => {
                Err(self.expected_at(start, format!("a comparison ({expected})")))
            }
            Err(other) => Err(other),
        }
    }
}
