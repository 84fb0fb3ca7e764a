//! TLS of a connection: the files that a URL names, in the forms that Java's driver takes, and what its settings mean.
//!
//! Files are read for each connection, so that renewed certificates count.
//!
//! Source: pgjdbc `SslMode`, `LibPQFactory`, `LazyKeyManager`, `PKCS12KeyManager`.

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tidegate_api::ConnectError;
use tidegate_api::config::Password;

use crate::errors::SinkError;

/// What a URL says of TLS, by the names of its parameters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) sslmode: Option<String>,
    pub(crate) ssl: Option<String>,
    pub(crate) sslfactory: Option<String>,
    pub(crate) sslrootcert: Option<String>,
    pub(crate) sslcert: Option<String>,
    pub(crate) sslkey: Option<String>,
    pub(crate) sslpassword: Option<Password>,
}

impl Tls {
    /// `sslmode` counts before `ssl`, wherever they stand.
    ///
    /// # Errors
    /// `Config` for modes that are not known, and for factories whose class is not here.
    pub(crate) fn mode(&self) -> Result<PgSslMode, ConnectError> {
        let is_on = |ssl: &str| ssl.is_empty() || ssl.eq_ignore_ascii_case("true");
        let mode = match self.sslmode.as_deref().map(str::to_ascii_lowercase) {
            None if self.ssl.as_deref().is_some_and(is_on) => PgSslMode::VerifyFull,
            None => PgSslMode::Prefer,
            Some(mode) => match mode.as_str() {
                "disable" => PgSslMode::Disable,
                // The client library would never encrypt with its own `allow`.
                "allow" | "prefer" => PgSslMode::Prefer,
                "require" => PgSslMode::Require,
                "verify-ca" => PgSslMode::VerifyCa,
                "verify-full" => PgSslMode::VerifyFull,
                _ => {
                    return Err(ConnectError::config(
                        "connection.url: sslmode is one of disable, allow, prefer, require, verify-ca, verify-full",
                    ));
                }
            },
        };
        let factory = self.sslfactory.as_deref().unwrap_or_default();
        match (factory.rsplit('.').next().unwrap_or_default(), mode) {
            ("" | "LibPQFactory", _) => Ok(mode),
            ("NonValidatingFactory", PgSslMode::VerifyCa | PgSslMode::VerifyFull) => {
                Ok(PgSslMode::Require)
            }
            ("NonValidatingFactory", _) => Ok(mode),
            // It verifies by the system's authorities whatever the mode.
            ("DefaultJavaSSLFactory", PgSslMode::Require) => Ok(PgSslMode::VerifyCa),
            ("DefaultJavaSSLFactory", _) => Ok(mode),
            _ => Err(ConnectError::config(format!(
                "connection.url: sslfactory={factory} is a class of Java that is not here. Remove it, and say what it did with sslmode and sslrootcert, or with sslfactory=org.postgresql.ssl.NonValidatingFactory"
            ))),
        }
    }

    /// Options of a connection, one for each certificate of an authority that may have signed the server's: the client
    /// library takes one at a time.
    ///
    /// # Errors
    /// `Fatal`, with the parameter's name, for files that cannot be used.
    pub(crate) async fn options(
        &self,
        options: PgConnectOptions,
    ) -> Result<Vec<PgConnectOptions>, SinkError> {
        let mode = self.mode()?;
        let mut options = options.ssl_mode(mode);
        if matches!(mode, PgSslMode::Disable) {
            return Ok(vec![options]);
        }
        if let Some(identity) = self.identity().await? {
            let key = identity.key.private_key_to_pem_pkcs8();
            let key = key.map_err(|cause| unusable("sslkey", &cause))?;
            options = options
                .ssl_client_cert_from_pem(pem("sslcert", &identity.chain)?)
                .ssl_client_key_from_pem(key);
        }
        let verifies = matches!(mode, PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        let Some(path) = self.sslrootcert.as_deref().filter(|_| verifies) else {
            return Ok(vec![options]);
        };
        certificates("sslrootcert", path)
            .await?
            .into_iter()
            .map(|root| {
                let root = pem("sslrootcert", &[root])?;
                Ok(options.clone().ssl_root_cert_from_pem(root))
            })
            .collect()
    }

    async fn identity(&self) -> Result<Option<Identity>, SinkError> {
        let Some(key_path) = &self.sslkey else {
            return Ok(None);
        };
        let password = self.sslpassword.as_ref().map_or("", Password::reveal);
        let bytes = read("sslkey", key_path).await?;
        if let [.., "p12" | "pfx"] = key_path.split('.').collect::<Vec<_>>().as_slice() {
            return match pkcs12(&bytes, password) {
                Ok(identity) => Ok(Some(identity)),
                Err(cause) => Err(unusable(&format!("sslkey {key_path}"), &cause)),
            };
        }
        let Some(cert_path) = &self.sslcert else {
            return Ok(None);
        };
        let key = private_key(&bytes, password)
            .map_err(|cause| unusable(&format!("sslkey {key_path}"), &cause))?;
        let chain = certificates("sslcert", cert_path).await?;
        let matches = chain
            .first()
            .and_then(|certificate| certificate.public_key().ok())
            .is_some_and(|public| public.public_eq(&key));
        if !matches {
            return Err(SinkError::Fatal(format!(
                "connection.url: the key of sslkey {key_path} is not that of the certificate sslcert {cert_path}"
            )));
        }
        Ok(Some(Identity { key, chain }))
    }
}

struct Identity {
    key: PKey<Private>,
    /// The client's certificate first.
    chain: Vec<X509>,
}

fn unusable(what: &str, cause: &ErrorStack) -> SinkError {
    let cure = if what.starts_with("sslkey") {
        "A key is PKCS#8 in DER (.pk8) or PEM, or PKCS#12 (.p12); sslpassword decrypts it"
    } else {
        "Certificates are X.509 in PEM or DER"
    };
    SinkError::Fatal(format!(
        "connection.url: {what} cannot be used: {cause}. {cure}"
    ))
}

async fn read(parameter: &str, path: &str) -> Result<Vec<u8>, SinkError> {
    tokio::fs::read(path).await.map_err(|cause| {
        SinkError::Fatal(format!(
            "connection.url: the file of {parameter}, {path}, cannot be read: {cause}"
        ))
    })
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

async fn certificates(parameter: &str, path: &str) -> Result<Vec<X509>, SinkError> {
    let bytes = read(parameter, path).await?;
    let found = if is_pem(&bytes) {
        X509::stack_from_pem(&bytes)
    } else {
        X509::from_der(&bytes).map(|certificate| vec![certificate])
    };
    match found {
        Ok(certificates) if certificates.is_empty() => Err(SinkError::Fatal(format!(
            "connection.url: the file of {parameter}, {path}, has no certificate"
        ))),
        Ok(certificates) => Ok(certificates),
        Err(cause) => Err(unusable(&format!("{parameter} {path}"), &cause)),
    }
}

fn pem(parameter: &str, certificates: &[X509]) -> Result<Vec<u8>, SinkError> {
    let mut text = Vec::new();
    for certificate in certificates {
        let one = certificate
            .to_pem()
            .map_err(|cause| unusable(parameter, &cause))?;
        text.extend_from_slice(&one);
    }
    Ok(text)
}

fn private_key(bytes: &[u8], password: &str) -> Result<PKey<Private>, ErrorStack> {
    if is_pem(bytes) {
        return PKey::private_key_from_pem_passphrase(bytes, password.as_bytes());
    }
    PKey::private_key_from_der(bytes)
        .or_else(|_| PKey::private_key_from_pkcs8_passphrase(bytes, password.as_bytes()))
}

fn pkcs12(bytes: &[u8], password: &str) -> Result<Identity, ErrorStack> {
    let parsed = Pkcs12::from_der(bytes)?.parse2(password)?;
    let (Some(key), Some(certificate)) = (parsed.pkey, parsed.cert) else {
        return Err(ErrorStack::get());
    };
    let mut chain = vec![certificate];
    chain.extend(parsed.ca.into_iter().flatten());
    Ok(Identity { key, chain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_counts_before_ssl_and_a_factory_that_does_not_verify_counts_before_both() {
        let check = |sslmode: Option<&str>, ssl: Option<&str>, factory: Option<&str>, expected| {
            let tls = Tls {
                sslmode: sslmode.map(str::to_owned),
                ssl: ssl.map(str::to_owned),
                sslfactory: factory.map(str::to_owned),
                ..Tls::default()
            };
            let mode = tls.mode().expect("known");
            assert_eq!(
                format!("{mode:?}"),
                expected,
                "{sslmode:?} {ssl:?} {factory:?}"
            );
        };
        check(None, None, None, "Prefer");
        check(None, Some("true"), None, "VerifyFull");
        check(None, Some(""), None, "VerifyFull");
        check(None, Some("false"), None, "Prefer");
        check(Some("Require"), Some("true"), None, "Require");
        check(Some("allow"), None, None, "Prefer");
        let lax = Some("org.postgresql.ssl.NonValidatingFactory");
        check(None, Some("true"), lax, "Require");
        check(None, None, lax, "Prefer");
        check(Some("verify-ca"), None, lax, "Require");
        let java = Some("org.postgresql.ssl.DefaultJavaSSLFactory");
        check(Some("require"), None, java, "VerifyCa");
        let other = Tls {
            sslfactory: Some("com.acme.Factory".to_owned()),
            ..Tls::default()
        };
        let error = other.mode().expect_err("refused");
        assert!(error.text().contains("sslfactory=com.acme.Factory"));
    }

    #[test]
    fn keys_come_in_all_forms() {
        let rsa = openssl::rsa::Rsa::generate(2048).expect("a key");
        let key = PKey::from_rsa(rsa.clone()).expect("a key");
        let cipher = openssl::symm::Cipher::aes_256_cbc();
        let forms = [
            key.private_key_to_pkcs8(),
            key.private_key_to_pkcs8_passphrase(cipher, b"s3cret"),
            key.private_key_to_pem_pkcs8(),
            key.private_key_to_pem_pkcs8_passphrase(cipher, b"s3cret"),
            rsa.private_key_to_pem(),
        ];
        for (index, form) in forms.into_iter().enumerate() {
            let form = form.expect("a form");
            let read = private_key(&form, "s3cret").expect("a key");
            assert!(read.public_eq(&key), "{index}");
            assert_eq!(
                private_key(&form, "").is_err(),
                matches!(index, 1 | 3),
                "{index}"
            );
        }
    }
}
