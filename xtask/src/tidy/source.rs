//! A Rust file as a flat row of tokens: no comment and no string can be mistaken for code.

use proc_macro2::{Delimiter, LexError, Spacing, TokenStream, TokenTree};

/// Line and message.
pub(super) type Finding = (usize, String);

pub(super) struct Source<'a> {
    /// From the root of the workspace.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token>,
}

pub(super) struct Token {
    /// An identifier, a literal, a bracket, `::`, or one character of any other punctuation.
    pub(super) text: String,
    pub(super) line: usize,
}

impl<'a> Source<'a> {
    pub(super) fn read(path: &'a str, text: &'a str) -> Result<Self, LexError> {
        let mut tokens = Vec::new();
        flatten(text.parse()?, &mut tokens);
        Ok(Self { path, text, tokens })
    }

    /// The text of the token at this place; empty past the end.
    pub(super) fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// The places where this word stands.
    pub(super) fn places<'s>(&'s self, word: &'s str) -> impl Iterator<Item = usize> + 's {
        (0..self.tokens.len()).filter(move |&at| self.word(at) == word)
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut half_path_separator = false;
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String, line| tokens.push(Token { text, line });
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned(), line);
                flatten(group.stream(), tokens);
                tokens
                    .push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                if half_path_separator {
                    push("::".to_owned(), line);
                    half_path_separator = false;
                } else if punct.spacing() == Spacing::Joint {
                    half_path_separator = true;
                } else {
                    push(":".to_owned(), line);
                }
            }
            other => push(other.to_string(), line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "// unsafe\n/* unsafe */ fn a() -> &'static str {\n    r#\"unsafe\"#\n}\n";
        let source = Source::read("a.rs", text).unwrap();
        assert_eq!(source.places("unsafe").count(), 0);
        assert_eq!(source.places("fn").map(|at| source.tokens[at].line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn paths_keep_their_separator() {
        let source = Source::read("a.rs", "use a::{b, c}; let d: e = f;").unwrap();
        let words: Vec<_> = source.tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(words.join(" "), "use a :: { b , c } ; let d : e = f ;");
        assert_eq!(source.word(99), "");
    }
}
