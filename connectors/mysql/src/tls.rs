//! Encryption of connections: `database.ssl.*`.
//!
//! Source: Debezium `BinlogConnectorConnection`, `MySqlBinaryProtocolFieldReader`; the drivers' `sslMode`.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;
use tidegate_api::config::{Password, invalid};

pub const TRUSTSTORE: &str = "database.ssl.truststore";
pub const KEYSTORE: &str = "database.ssl.keystore";

/// Java's key stores of the old format begin so.
const JKS_MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
/// The kind of a JKS entry that is a certificate to trust.
const JKS_TRUSTED: u32 = 2;
/// What JKS mixes into its checksum.
const JKS_SALT: &[u8] = b"Mighty Aphrodite";
const SHA1_BYTES: usize = 20;

/// How much of the server's certificate has to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// A file with certificates or keys.
#[derive(Debug, Clone)]
pub struct Store {
    pub path: String,
    pub password: Option<Password>,
}

#[derive(Debug, Clone)]
pub struct SslSettings {
    pub mode: SslMode,
    /// `database.ssl.mode` as it was given.
    pub mode_name: String,
    pub truststore: Option<Store>,
    pub keystore: Option<Store>,
}

/// A property whose file cannot be used, and why.
#[derive(Debug)]
pub struct StoreError {
    pub name: &'static str,
    pub text: String,
}

impl SslSettings {
    /// Ways to connect, best first; `None` is without encryption.
    ///
    /// # Errors
    /// If a store cannot be read.
    pub fn attempts(&self) -> Result<Vec<Option<SslOpts>>, StoreError> {
        if self.mode == SslMode::Disabled {
            return Ok(vec![None]);
        }
        let (roots, identity) = (self.roots()?, self.identity()?);
        // Without a trust store the lower modes take any certificate, with one they check it, as the original's reader of
        // the binary log does.
        let checks_nothing =
            matches!(self.mode, SslMode::Preferred | SslMode::Required) && roots.is_none();
        let options = SslOpts::default()
            .with_disable_built_in_roots(roots.is_some())
            .with_root_certs(roots.into_iter().map(Into::into).collect())
            .with_client_identity(identity)
            .with_danger_accept_invalid_certs(checks_nothing)
            .with_danger_skip_domain_validation(self.mode != SslMode::VerifyIdentity);
        let mut attempts = vec![Some(options)];
        if self.mode == SslMode::Preferred {
            attempts.push(None);
        }
        Ok(attempts)
    }

    /// Certificates to trust, in PEM.
    fn roots(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(store) = &self.truststore else {
            return Ok(None);
        };
        let error = |reason: String| store.error(TRUSTSTORE, &reason);
        let bytes = store.read(TRUSTSTORE)?;
        let certificates = if is_pem(&bytes) {
            X509::stack_from_pem(&bytes).map_err(|cause| error(cause.to_string()))?
        } else if bytes.starts_with(&JKS_MAGIC) {
            jks_certificates(&bytes, store.password()).map_err(error)?
        } else {
            let store = parse_pkcs12(&bytes, store.password()).map_err(error)?;
            store
                .cert
                .into_iter()
                .chain(store.ca.into_iter().flatten())
                .collect()
        };
        if certificates.is_empty() {
            return Err(error("it has no certificate to trust".to_owned()));
        }
        let mut pem = Vec::new();
        for certificate in certificates {
            pem.extend(
                certificate
                    .to_pem()
                    .map_err(|cause| error(cause.to_string()))?,
            );
        }
        Ok(Some(pem))
    }

    /// Key and certificate of this client, as PKCS#12.
    fn identity(&self) -> Result<Option<ClientIdentity>, StoreError> {
        let Some(store) = &self.keystore else {
            return Ok(None);
        };
        let error = |reason: String| store.error(KEYSTORE, &reason);
        let bytes = store.read(KEYSTORE)?;
        if bytes.starts_with(&JKS_MAGIC) {
            let path = &store.path;
            return Err(error(format!(
                "it is a key store in Java's old format (JKS), whose keys are not read. Convert it: keytool -importkeystore -srckeystore {path} -destkeystore {path}.p12 -deststoretype PKCS12"
            )));
        }
        let archive = if is_pem(&bytes) {
            pkcs12_of_pem(&bytes, store.password()).map_err(error)?
        } else {
            let parsed = parse_pkcs12(&bytes, store.password()).map_err(error)?;
            if parsed.pkey.is_none() {
                return Err(error("it has no private key".to_owned()));
            }
            bytes
        };
        let identity =
            ClientIdentity::new(archive.into()).with_password(store.password().to_owned());
        Ok(Some(identity))
    }
}

impl Store {
    fn password(&self) -> &str {
        self.password.as_ref().map_or("", Password::reveal)
    }

    fn read(&self, name: &'static str) -> Result<Vec<u8>, StoreError> {
        std::fs::read(Path::new(&self.path)).map_err(|cause| self.error(name, &cause.to_string()))
    }

    fn error(&self, name: &'static str, reason: &str) -> StoreError {
        StoreError {
            name,
            text: invalid(
                name,
                &self.path,
                &format!("the file cannot be used: {reason}"),
            ),
        }
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(11).any(|window| window == b"-----BEGIN ")
}

fn parse_pkcs12(bytes: &[u8], password: &str) -> Result<openssl::pkcs12::ParsedPkcs12_2, String> {
    Pkcs12::from_der(bytes)
        .map_err(|_| "it is neither PEM nor PKCS#12 nor JKS".to_owned())?
        .parse2(password)
        .map_err(|cause| format!("{cause}. Is its password right?"))
}

fn pkcs12_of_pem(bytes: &[u8], password: &str) -> Result<Vec<u8>, String> {
    let key = PKey::private_key_from_pem_passphrase(bytes, password.as_bytes())
        .map_err(|cause| format!("its private key: {cause}"))?;
    let mut chain = X509::stack_from_pem(bytes)
        .map_err(|cause| cause.to_string())?
        .into_iter();
    let certificate = chain.next().ok_or("it has no certificate")?;
    let build = || {
        let mut others = openssl::stack::Stack::new()?;
        for other in chain {
            others.push(other)?;
        }
        let mut builder = Pkcs12::builder();
        builder.pkey(&key).cert(&certificate).ca(others);
        builder.build2(password)?.to_der()
    };
    build().map_err(|cause| cause.to_string())
}

/// The certificates to trust of a store in Java's old format: magic, version and number of entries; kind, name, time, type
/// and certificate of each; and a checksum with the password in it.
fn jks_certificates(bytes: &[u8], password: &str) -> Result<Vec<X509>, String> {
    let (body, checksum) = bytes
        .len()
        .checked_sub(SHA1_BYTES)
        .and_then(|end| bytes.split_at_checked(end))
        .ok_or("it is cut off")?;
    if !password.is_empty() {
        let mut hasher = openssl::sha::Sha1::new();
        for unit in password.encode_utf16() {
            hasher.update(&unit.to_be_bytes());
        }
        hasher.update(JKS_SALT);
        hasher.update(body);
        if hasher.finish() != checksum {
            return Err("its password is wrong, or it has been changed".to_owned());
        }
    }
    jks_entries(body).ok_or("it is cut off")?
}

/// `None` if it is cut off.
fn jks_entries(body: &[u8]) -> Option<Result<Vec<X509>, String>> {
    fn take<'a>(body: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        body.split_off(..length)
    }
    fn number(body: &mut &[u8]) -> Option<u32> {
        Some(u32::from_be_bytes(*take(body, 4)?.first_chunk()?))
    }
    fn text<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(*take(body, 2)?.first_chunk()?);
        take(body, length.into())
    }
    let rest = &mut &*body;
    take(rest, JKS_MAGIC.len())?;
    let (version, entries) = (number(rest)?, number(rest)?);
    let mut certificates = Vec::new();
    for _ in 0..entries {
        let (kind, name) = (number(rest)?, text(rest)?);
        if kind != JKS_TRUSTED {
            let name = String::from_utf8_lossy(name);
            return Some(Err(format!(
                "its entry '{name}' is a key; a trust store has certificates only"
            )));
        }
        take(rest, 8)?;
        if version > 1 {
            text(rest)?;
        }
        let length = usize::try_from(number(rest)?).ok()?;
        match X509::from_der(take(rest, length)?) {
            Ok(certificate) => certificates.push(certificate),
            Err(cause) => return Some(Err(cause.to_string())),
        }
    }
    Some(Ok(certificates))
}
