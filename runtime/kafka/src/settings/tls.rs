//! Certificates and keys: Java's stores in the forms that OpenSSL reads.

use std::fs::File;
use std::io::Read as _;

use rdkafka::ClientConfig as NativeConfig;
use tidegate_log::{ClientConfig, LogError};

use super::invalid;

/// First bytes of a Java key store in Sun's own format.
const JKS_MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

pub(crate) fn apply(config: &ClientConfig, native: &mut NativeConfig) -> Result<(), LogError> {
    let set = |name: &str| config.get(name).filter(|value| !value.is_empty());
    let is_pem = |name: &str| set(name).is_some_and(|kind| kind.eq_ignore_ascii_case("PEM"));
    if let Some(certificates) = set("ssl.truststore.certificates") {
        native.set("ssl.ca.pem", certificates);
    } else if let Some(location) = set("ssl.truststore.location") {
        if !is_pem("ssl.truststore.type") {
            return Err(invalid(
                "ssl.truststore.type",
                "only PEM is supported for trust stores. Export the certificates \
                 (keytool -exportcert -rfc -keystore STORE -alias NAME -file ca.pem), name that file in \
                 ssl.truststore.location and set ssl.truststore.type=PEM",
            ));
        }
        native.set("ssl.ca.location", location);
    }
    if let Some(chain) = set("ssl.keystore.certificate.chain") {
        native.set("ssl.certificate.pem", chain);
        if let Some(key) = set("ssl.keystore.key") {
            native.set("ssl.key.pem", key);
        }
    } else if let Some(location) = set("ssl.keystore.location") {
        if is_pem("ssl.keystore.type") {
            native.set("ssl.certificate.location", location);
            native.set("ssl.key.location", location);
        } else {
            refuse_jks(location)?;
            native.set("ssl.keystore.location", location);
            if let Some(password) = set("ssl.keystore.password") {
                native.set("ssl.keystore.password", password);
            }
        }
    }
    Ok(())
}

/// What Java calls JKS is PKCS#12 in files of today's keytool; only the old format is not understood.
fn refuse_jks(location: &str) -> Result<(), LogError> {
    let mut magic = [0; 4];
    let read = File::open(location).and_then(|mut file| file.read_exact(&mut magic));
    if let Err(error) = read {
        return Err(invalid(
            "ssl.keystore.location",
            &format!("'{location}' cannot be read: {error}"),
        ));
    }
    if magic == JKS_MAGIC {
        return Err(invalid(
            "ssl.keystore.location",
            &format!(
                "'{location}' is a key store in Java's old format. Convert it: keytool -importkeystore -srckeystore \
                 {location} -destkeystore {location}.p12 -deststoretype PKCS12"
            ),
        ));
    }
    Ok(())
}
