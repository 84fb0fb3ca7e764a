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
    loop {
        let name = match tokens.next() {
            Some(";") => break,
            Some(name) => name,
            None => return Err("the closing ';' is missing".to_owned()),
        };
        if tokens.next() != Some("=") {
            return Err(format!("'=' must follow option {name}"));
        }
        let value = tokens
            .next()
            .filter(|value| *value != ";")
            .ok_or_else(|| format!("option {name} has no value"))?;
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
