//! User name and password out of `sasl.jaas.config`: `<module> <flag> name="value" … ;`

/// A user's login.
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Reads the entry of `PlainLoginModule` or `ScramLoginModule`.
///
/// # Errors
/// A text for people, without the values.
pub(crate) fn parse(text: &str) -> Result<Login, String> {
    let tokens = tokens(text)?;
    let mut tokens = tokens.iter().map(String::as_str);
    let module = tokens.next().unwrap_or_default();
    let simple = module.rsplit('.').next().unwrap_or_default();
    if !["PlainLoginModule", "ScramLoginModule"].contains(&simple) {
        return Err(format!(
            "login module {module} is not supported: PlainLoginModule and ScramLoginModule are"
        ));
    }
    let flag = tokens.next().unwrap_or_default();
    if !["required", "requisite", "sufficient", "optional"]
        .contains(&flag.to_ascii_lowercase().as_str())
    {
        return Err("a control flag such as 'required' must follow the login module".to_owned());
    }
    let (mut username, mut password) = (None, None);
    let mut place = "the control flag".to_owned();
    loop {
        let name = match tokens.next() {
            Some(";") => break,
            Some(name) => name,
            None => return Err("the closing ';' is missing".to_owned()),
        };
        // What stands here instead of a name may be a piece of a password.
        let malformed = format!(
            "what follows {place} is no option of the form name=\"value\"; values with blanks, quotes, '=' or ';' need quotes"
        );
        if tokens.next() != Some("=") {
            return Err(malformed);
        }
        let value = tokens
            .next()
            .filter(|value| *value != ";")
            .ok_or(malformed)?;
        place = match name {
            "username" | "password" => format!("option {name}"),
            _ => "an option".to_owned(),
        };
        match name {
            "username" => username = Some(value.to_owned()),
            "password" => password = Some(value.to_owned()),
            "tokenauth" if value.eq_ignore_ascii_case("true") => {
                return Err("tokenauth is not supported".to_owned());
            }
            _ => {}
        }
    }
    Ok(Login {
        username: username.ok_or("option username is missing")?,
        password: password.ok_or("option password is missing")?,
    })
}

/// Words, quoted strings without their quotes, `=` and `;`.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        match first {
            _ if first.is_whitespace() => {}
            '=' | ';' => tokens.push(first.to_string()),
            '"' | '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        Some('\\') => value.extend(chars.next()),
                        Some(end) if end == first => break,
                        Some(other) => value.push(other),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
                tokens.push(value);
            }
            _ => {
                let mut word = String::from(first);
                while let Some(next) =
                    chars.next_if(|c| !c.is_whitespace() && !"=;\"'".contains(*c))
                {
                    word.push(next);
                }
                tokens.push(word);
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_told_without_pieces_of_the_password() {
        let check = |options: &str, place: &str| {
            let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
            let error = parse(&format!("{module} required {options}"));
            let error = error.err().expect("it is malformed");
            assert!(error.contains(place), "{options}: {error}");
            assert!(!error.contains("s3c") && !error.contains("r3t"), "{error}");
        };
        check("username=u password=s3c r3t;", "option password");
        check("username=u password=\"s3c\"r3t\"x\";", "option password");
        check("password=s3c r3t username=u;", "option password");
        check("s3cr3t;", "the control flag");
        check("username=u password=s3cr3t", "';' is missing");
        check("username=u other=s3c r3t;", "an option");
    }
}
