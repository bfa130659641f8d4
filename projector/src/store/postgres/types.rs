//! Texts and numbers as the columns' own types: times are `TIMESTAMPTZ`, yes and no are `BOOLEAN`.

use crate::store::statement::Value;
use bytes::{BufMut, BytesMut};
use mcpctl_events::time::LogTime;
use rustls_platform_verifier::ConfigVerifierExt;
use std::{error::Error, sync::OnceLock};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{self, ClientConfig};

type Failure = Box<dyn Error + Sync + Send>;

/// Milliseconds from 1970 to 2000, from where Postgres counts.
const EPOCH_MS: i64 = 946_684_800_000;

/// An argument on its way.
#[derive(Debug)]
pub(super) struct Encoded<'a>(pub &'a Value);

impl ToSql for Encoded<'_> {
    fn to_sql(&self, type_: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self.0 {
            Value::Text(None) | Value::Int(None) => return Ok(IsNull::Yes),
            Value::Text(Some(text)) if *type_ == Type::TIMESTAMPTZ => {
                let time: LogTime = text.parse()?;
                out.put_i64((time.as_millis() - EPOCH_MS) * 1000);
            }
            // Postgres has no such character in its texts.
            Value::Text(Some(text)) if text.contains('\0') => out.put_slice(text.replace('\0', "\u{fffd}").as_bytes()),
            Value::Text(Some(text)) => out.put_slice(text.as_bytes()),
            Value::Int(Some(int)) => match *type_ {
                Type::INT8 => out.put_i64(*int),
                Type::INT4 => out.put_i32(i32::try_from(*int)?),
                Type::INT2 => out.put_i16(i16::try_from(*int)?),
                Type::BOOL => out.put_u8(u8::from(*int != 0)),
                _ => return Err(format!("a number for a column of type {type_}").into()),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(type_: &Type) -> bool {
        is_known(type_)
    }

    to_sql_checked!();
}

/// A value that was read.
pub(super) struct Decoded(pub Value);

impl FromSql<'_> for Decoded {
    fn from_sql(type_: &Type, raw: &[u8]) -> Result<Self, Failure> {
        Ok(Self(match *type_ {
            Type::TIMESTAMPTZ => {
                Value::text(LogTime::from_millis(i64::from_be_bytes(raw.try_into()?) / 1000 + EPOCH_MS))
            }
            Type::INT8 => Value::Int(Some(i64::from_be_bytes(raw.try_into()?))),
            Type::INT4 => Value::Int(Some(i32::from_be_bytes(raw.try_into()?).into())),
            Type::INT2 => Value::Int(Some(i16::from_be_bytes(raw.try_into()?).into())),
            Type::BOOL => Value::Int(Some((raw != [0]).into())),
            _ => Value::from(std::str::from_utf8(raw)?),
        }))
    }

    fn from_sql_null(type_: &Type) -> Result<Self, Failure> {
        let is_text = matches!(*type_, Type::TEXT | Type::VARCHAR | Type::TIMESTAMPTZ);
        Ok(Self(if is_text { Value::Text(None) } else { Value::Int(None) }))
    }

    fn accepts(type_: &Type) -> bool {
        is_known(type_)
    }
}

fn is_known(type_: &Type) -> bool {
    let known =
        [Type::TEXT, Type::VARCHAR, Type::NAME, Type::TIMESTAMPTZ, Type::INT8, Type::INT4, Type::INT2, Type::BOOL];
    known.contains(type_)
}

/// How a connection is encrypted, where the server does that: by the machine's own certificates, which are read once.
pub(super) fn tls() -> Result<MakeRustlsConnect, rustls::Error> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    let config = if let Some(config) = CONFIG.get() {
        config
    } else {
        let config = ClientConfig::with_platform_verifier()?;
        CONFIG.get_or_init(|| config)
    };
    Ok(MakeRustlsConnect::new(config.clone()))
}
