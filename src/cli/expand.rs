//! `--expand-env`: variables in the workload's arguments, for images without a shell.

use std::os::unix::ffi::OsStrExt;

use crate::bytes::split_once;
use crate::quoted::Quoted;
use crate::sys::entry::Vector;

/// What there is to be said of an argument that has another `${`, or ends in `$`.
const FORMS: &str = "--expand-env takes ${NAME}, ${NAME:-DEFAULT}, and $$ for $";

/// Expands each argument from number `program` on by variables of `env`, and puts it in its place: `${NAME}` is the value;
/// `${NAME:-DEFAULT}` is DEFAULT if there is no value, or an empty one, as in a shell; and `$$` is `$`. A `$` before any
/// other character stays, `$NAME` and `$(` included.
///
/// # Errors
/// The variable that is not set, or the forms that there are; and the argument.
pub fn expand(args: Vector, program: usize, env: Vector) -> Result<(), String> {
    for (index, word) in args.iter().enumerate() {
        let word = word.as_bytes();
        if index >= program && word.contains(&b'$') {
            let text = expanded(word, env);
            args.replace(index, text.map_err(|[what, why]| format!("{what}{why}: {}", Quoted(word)))?);
        }
    }
    Ok(())
}

/// What is wrong, in two parts.
type Problem<'t> = [&'t str; 2];

const NO_FORM: Problem = [FORMS, ""];

fn expanded(word: &[u8], env: Vector) -> Result<Vec<u8>, Problem<'_>> {
    let mut text = Vec::new();
    let mut left = word;
    while let [first, behind @ ..] = left {
        let (part, behind) = match (first, behind) {
            (b'$', []) => return Err(NO_FORM),
            (b'$', [b'$', behind @ ..]) => (&left[..1], behind),
            (b'$', [b'{', behind @ ..]) => {
                let (inside, behind) = split_once(behind, b'}').ok_or(NO_FORM)?;
                (value(inside, env)?, behind)
            }
            _ => (&left[..1], behind),
        };
        text.extend_from_slice(part);
        left = behind;
    }
    Ok(text)
}

/// What `${inside}` stands for.
fn value(inside: &[u8], env: Vector) -> Result<&[u8], Problem<'_>> {
    let (name, default) = match split_once(inside, b':') {
        // An inner `${` would end with the first `}`.
        Some((name, [b'-', default @ ..])) if !default.contains(&b'{') => (name, Some(default)),
        Some(_) => return Err(NO_FORM),
        None => (inside, None),
    };
    let name = str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or(NO_FORM)?;
    let value = env.value(name).map(OsStrExt::as_bytes);
    match default {
        Some(default) => Ok(value.filter(|value| !value.is_empty()).unwrap_or(default)),
        None => value.ok_or([name, " is not set, and has no default"]),
    }
}

/// Whether it is a name as a shell has it, or one with dots, which Kubernetes takes too. One with a dash is none: to a
/// shell `${A-B}` is a default.
fn is_name(name: &str) -> bool {
    let is_part = |byte| matches!(byte, b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
    name.bytes().all(is_part) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(word: &str) -> Result<String, String> {
        let args = Vector::of(&["podinit", "${NOT}", word, "$"]);
        let env = Vector::of(&["A=1", "B=", "C=${A} $$ x", "my.var=dot", "A=2", "_=u"]);
        let all = Vector::of(&[word]);
        super::expand(args, 4, env).expect("what is before the program is not expanded");
        super::expand(all, 0, env).map(|()| all.iter().next().unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn variables_defaults_and_dollars() {
        for (word, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "1"),
            ("--a=${A}${A}/${B}.", "--a=11/."),
            ("${C}", "${A} $$ x"),
            ("${my.var}${_}", "dotu"),
            ("${N:-x y}", "x y"),
            ("${N:-}", ""),
            ("${B:-was empty}", "was empty"),
            ("${A:-not}", "1"),
            ("${N:-:-$$ $A}", ":-$$ $A"),
            ("$$", "$"),
            ("$$$${A}$${A}", "$${A}${A}"),
            ("$A $(A) `A` $1 $: {A} } ^a$|b", "$A $(A) `A` $1 $: {A} } ^a$|b"),
        ] {
            assert_eq!(expanded(word).as_deref(), Ok(expected), "{word:?}");
        }
    }

    #[test]
    fn an_error_shows_the_argument() {
        assert_eq!(
            expanded("-p ${NO_1}\n"),
            Err(r#"NO_1 is not set, and has no default: "-p ${NO_1}\n""#.into())
        );
        for word in [
            "$",
            "^a$",
            "$$$",
            "${",
            "${A",
            "${}",
            "${:-x}",
            "${A-x}",
            "${A:x}",
            "${A:?x}",
            "${A:+x}",
            "${A%x}",
            "${#A}",
            "${1}",
            "${A B}",
            "${A:-${B}}",
            "${\u{e4}}",
        ] {
            let expected = format!("{FORMS}: {}", Quoted(word.as_bytes()));
            assert_eq!(expanded(word), Err(expected), "{word:?}");
        }
    }
}
