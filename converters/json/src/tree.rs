//! JSON as a tree, for what is read seldom: schemas.

use std::borrow::Cow;

use tidegate_api::ConnectError;

use crate::text::{Reader, Token};

/// Numbers keep their text, and with it their digits.
#[derive(Debug)]
pub(crate) enum Tree<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Tree<'a>>),
    Object(Vec<Member<'a>>),
}

#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Tree<'a>,
    /// The value as it was written.
    pub(crate) text: &'a str,
}

impl<'a> Tree<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, ConnectError> {
        Ok(match reader.token()? {
            Token::Null => Self::Null,
            Token::Boolean(flag) => Self::Boolean(flag),
            Token::Number(text) => Self::Number(text),
            Token::String(text) => Self::String(text),
            Token::Array => {
                let (mut items, mut first) = (Vec::new(), true);
                while reader.next_item(&mut first)? {
                    items.push(Self::read(reader)?);
                }
                Self::Array(items)
            }
            Token::Object => {
                let (mut members, mut first) = (Vec::new(), true);
                while let Some(name) = reader.next_member(&mut first)? {
                    let start = reader.position();
                    let value = Self::read(reader)?;
                    let text = reader.since(start)?;
                    members.push(Member { name, value, text });
                }
                Self::Object(members)
            }
        })
    }

    /// The member of an object, unless it is null; of two of one name the last.
    pub(crate) fn member(&self, name: &str) -> Option<&Member<'a>> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().rev().find(|member| member.name == name);
        found.filter(|member| !matches!(member.value, Self::Null))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.member(name).map(|member| &member.value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}
