//! Templates: texts with alternatives and names.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Context as _, Result, bail, ensure};

/// A place where white space may be, in texts.
pub(super) const OPTIONAL_SPACE: char = '\u{1}';

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Text(String),
    /// A name that is the scenario's own, by its letter.
    Name(char),
    Choice(Vec<Vec<Node>>),
}

pub(super) fn parse(template: &str) -> Result<Vec<Node>> {
    let mut chars = template.chars().peekable();
    let mut alternatives = parse_until(&mut chars, None)?;
    ensure!(alternatives.len() == 1, "'|' stands outside of braces");
    alternatives.pop().context("a text")
}

/// Alternatives up to the closing bracket, which is taken.
fn parse_until(chars: &mut Peekable<Chars<'_>>, end: Option<char>) -> Result<Vec<Vec<Node>>> {
    let mut alternatives = vec![Vec::new()];
    let mut text = String::new();
    loop {
        let next = chars.next();
        let is_special = match next {
            Some(c) => "{[$|]}".contains(c),
            None => true,
        };
        if is_special && !text.is_empty() {
            push(&mut alternatives, Node::Text(std::mem::take(&mut text)));
        }
        match next {
            None if end.is_none() => return Ok(alternatives),
            None => bail!("a bracket is open"),
            Some('{') => {
                let choice = Node::Choice(parse_until(chars, Some('}'))?);
                push(&mut alternatives, choice);
            }
            Some('[') => {
                let mut choice = parse_until(chars, Some(']'))?;
                choice.push(Vec::new());
                push(&mut alternatives, Node::Choice(choice));
            }
            Some('$') => match chars.next_if(char::is_ascii_lowercase) {
                Some(letter) => push(&mut alternatives, Node::Name(letter)),
                None => bail!("a letter is missing behind $"),
            },
            Some('|') => alternatives.push(Vec::new()),
            Some(c @ (']' | '}')) => {
                ensure!(Some(c) == end, "{c} closes nothing");
                return Ok(alternatives);
            }
            Some('~') => text.push(OPTIONAL_SPACE),
            Some('\\') => {
                let escaped = chars.next().context("a character behind \\")?;
                // In literals of the templates backslashes mean themselves.
                if !"{}[]|$~\\".contains(escaped) {
                    text.push('\\');
                }
                text.push(escaped);
            }
            Some(c) => text.push(c),
        }
    }
}

fn push(alternatives: &mut [Vec<Node>], node: Node) {
    if let Some(last) = alternatives.last_mut() {
        last.push(node);
    }
}

/// Alternatives of the widest choice.
pub(super) fn widest(nodes: &[Node]) -> usize {
    let widths = nodes.iter().map(|node| match node {
        Node::Text(_) | Node::Name(_) => 1,
        Node::Choice(alternatives) => {
            let inner = alternatives.iter().map(|nodes| widest(nodes));
            // An inner choice is seen only in its turn.
            inner
                .max()
                .filter(|inner| *inner > 1)
                .map_or(alternatives.len(), |inner| inner * alternatives.len())
        }
    });
    widths.max().unwrap_or(1)
}

/// What a scenario takes: the same choice is taken alike in all of its statements, different ones in turn.
#[derive(Debug)]
pub(super) struct Choices {
    variant: usize,
    serial: usize,
    known: HashMap<Vec<Vec<Node>>, usize>,
}

impl Choices {
    pub(super) fn new(variant: usize, serial: usize) -> Self {
        Self {
            variant,
            serial,
            known: HashMap::new(),
        }
    }

    pub(super) fn text(&mut self, nodes: &[Node]) -> String {
        let mut text = String::new();
        self.write(nodes, self.variant, &mut text);
        text
    }

    fn write(&mut self, nodes: &[Node], variant: usize, text: &mut String) {
        for node in nodes {
            match node {
                Node::Text(part) => text.push_str(part),
                Node::Name(letter) => {
                    text.push(*letter);
                    text.push_str(&self.serial.to_string());
                }
                Node::Choice(alternatives) => {
                    let count = alternatives.len();
                    let ordinal = self.known.len();
                    let ordinal = *self.known.entry(alternatives.clone()).or_insert(ordinal);
                    // Each block of `count` variants has all of them, the next block begins with another.
                    let taken = (variant + ordinal * (variant / count)) % count;
                    self.write(&alternatives[taken], variant / count, text);
                }
            }
        }
    }
}
