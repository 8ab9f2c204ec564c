//! Temporary database credentials from AWS: one signed call, for every connection anew.
//!
//! Provisioned clusters answer `GetClusterCredentials` of the Redshift API (query protocol, XML),
//! serverless workgroups `GetCredentials` of the Redshift Serverless API (JSON 1.1). The password only
//! gates the log-in: a query may outlive it.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use outflow_sdk::http::{Exchange, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use quick_xml::events::Event;

use crate::config::IamSettings;
use crate::sigv4::{AccessKey, Unsigned, sign};

/// How long a password is valid, in seconds: the shortest AWS gives.
const VALID_SECONDS: u32 = 900;

/// A user and the password that lets it in for a while.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// Asks AWS for credentials of `database`; `user` is the database user of a provisioned cluster.
///
/// # Errors
/// `Auth` when AWS refuses, transient ones when it cannot be reached, `Contract` for other answers.
pub(crate) async fn credentials(
    exchange: &dyn Exchange,
    iam: &IamSettings,
    user: Option<&str>,
    database: &str,
    now: Timestamp,
) -> Result<Temporary, ConnectorError> {
    let call = Call::new(iam, user, database);
    let answer = exchange.exchange(call.request(iam, now)?).await?;
    match answer.status {
        200 => call.read(&answer),
        429 | 500..=599 => Err(ConnectorError::new(
            ErrorKind::Transient {
                after: answer.retry_after(),
            },
            "iam_unavailable",
            format!(
                "AWS does not hand out database credentials now (HTTP {})",
                answer.status
            ),
        )),
        status => Err(refused(status, &answer)),
    }
}

struct Call {
    service: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    fn new(iam: &IamSettings, user: Option<&str>, database: &str) -> Self {
        match &iam.cluster {
            Some(cluster) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("Action", "GetClusterCredentials")
                    .append_pair("Version", "2012-12-01")
                    .append_pair("ClusterIdentifier", cluster)
                    .append_pair("DbUser", user.unwrap_or_default())
                    .append_pair("DbName", database)
                    .append_pair("AutoCreate", "false")
                    .append_pair("DurationSeconds", &VALID_SECONDS.to_string());
                Self {
                    service: "redshift",
                    headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
                    body: form.finish().into(),
                }
            }
            None => {
                let body = serde_json::json!({
                    "workgroupName": iam.workgroup,
                    "dbName": database,
                    "durationSeconds": VALID_SECONDS,
                });
                Self {
                    service: "redshift-serverless",
                    headers: vec![
                        ("content-type", "application/x-amz-json-1.1".into()),
                        ("x-amz-target", "RedshiftServerless.GetCredentials".into()),
                    ],
                    body: body.to_string().into(),
                }
            }
        }
    }

    fn request(&self, iam: &IamSettings, now: Timestamp) -> Result<HttpRequest, ConnectorError> {
        let endpoint = match &iam.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => {
                let suffix = if iam.region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{}.{}.amazonaws.com{suffix}", self.service, iam.region)
            }
        };
        let host = endpoint
            .split_once("://")
            .map(|(_, rest)| rest)
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| {
                ConnectorError::config(
                    "iam_endpoint",
                    "`iam.endpoint` is no address such as https://host",
                )
            })?;
        let unsigned = Unsigned {
            method: "POST",
            host,
            path: "/",
            headers: &self.headers,
            body: &self.body,
        };
        let key = AccessKey {
            id: &iam.access_key_id,
            secret: &iam.secret_access_key,
            session_token: iam.session_token.as_ref(),
        };
        let mut headers = sign(&unsigned, &key, &iam.region, self.service, now);
        for header in &self.headers {
            if !headers.contains(header) {
                headers.push(header.clone());
            }
        }
        Ok(HttpRequest {
            method: "POST",
            url: format!("{endpoint}/"),
            headers,
            body: self.body.clone(),
            timeout: Duration::from_secs(30),
            max_answer: MAX_ANSWER,
        })
    }

    fn read(&self, answer: &HttpResponse) -> Result<Temporary, ConnectorError> {
        let found = if self.service == "redshift" {
            let text = |name| xml_text(&answer.body, name);
            text("DbUser").zip(text("DbPassword"))
        } else {
            let document: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
            let text = |name: &str| document.as_ref()?.get(name)?.as_str().map(str::to_owned);
            text("dbUser").zip(text("dbPassword"))
        };
        match found {
            Some((user, password)) => Ok(Temporary {
                user,
                password: Secret::new(password),
            }),
            None => Err(ConnectorError::new(
                ErrorKind::Contract,
                "iam_answer",
                "AWS's answer to the call for database credentials holds none",
            )),
        }
    }
}

/// The text of the first element of that name, whatever its namespace.
fn xml_text(document: &[u8], name: &str) -> Option<String> {
    let mut reader = quick_xml::Reader::from_reader(document);
    let mut inside = false;
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.local_name().as_ref() == name.as_bytes() => inside = true,
            Event::Text(part) if inside => text.push_str(&part.decode().ok()?),
            Event::GeneralRef(reference) if inside => match reference.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(quick_xml::escape::resolve_predefined_entity(
                    &reference.decode().ok()?,
                )?),
            },
            Event::End(tag) if inside && tag.local_name().as_ref() == name.as_bytes() => return Some(text),
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn refused(status: u16, answer: &HttpResponse) -> ConnectorError {
    let document: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let reason = xml_text(&answer.body, "Code")
        .or_else(|| document?.get("__type")?.as_str().map(str::to_owned))
        .map(|code| code.rsplit('#').next().unwrap_or_default().to_owned())
        // Codes are words; anything else is not repeated.
        .filter(|code| {
            !code.is_empty()
                && code
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        })
        .unwrap_or_else(|| format!("HTTP {status}"));
    let hint = match reason.as_str() {
        "ClusterNotFound" | "ClusterNotFoundFault" | "ResourceNotFoundException" => {
            "check `region:` and `cluster:` or `workgroup:` of `iam:`"
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            "the key needs redshift:GetClusterCredentials for the cluster's dbuser and dbname, or \
             redshift-serverless:GetCredentials for the workgroup"
        }
        _ => "check the access key of `iam:`, its session token, and the clock of this machine",
    };
    ConnectorError::new(
        ErrorKind::Auth,
        "iam_refused",
        format!("AWS refuses database credentials: {reason}"),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use async_trait::async_trait;
    use outflow_sdk::http::ExchangeError;

    use super::*;

    struct Aws {
        status: u16,
        body: &'static str,
        asked: Mutex<Vec<HttpRequest>>,
    }

    impl Aws {
        fn new(status: u16, body: &'static str) -> Self {
            Self {
                status,
                body,
                asked: Mutex::default(),
            }
        }
    }

    #[async_trait]
    impl Exchange for Aws {
        async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
            self.asked.lock().unwrap().push(request);
            Ok(HttpResponse {
                status: self.status,
                headers: vec![],
                body: Bytes::from_static(self.body.as_bytes()),
            })
        }
    }

    fn settings(key: &str) -> IamSettings {
        serde_json::from_value(serde_json::json!({
            "region": "eu-west-1", key: "shop", "access_key_id": "AKID", "secret_access_key": "hidden"
        }))
        .unwrap()
    }

    async fn ask(aws: &Aws, key: &str) -> Result<Temporary, ConnectorError> {
        let user = (key == "cluster").then_some("reader");
        credentials(aws, &settings(key), user, "dev", Timestamp::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn a_cluster_hands_out_a_prefixed_user() {
        let aws = Aws::new(
            200,
            "<GetClusterCredentialsResponse xmlns=\"http://redshift.amazonaws.com/doc/2012-12-01/\">\
             <GetClusterCredentialsResult><DbUser>IAM:reader</DbUser><DbPassword>a&amp;b&#43;&lt;</DbPassword>\
             </GetClusterCredentialsResult></GetClusterCredentialsResponse>",
        );
        let temporary = ask(&aws, "cluster").await.unwrap();
        assert_eq!(temporary.user, "IAM:reader");
        assert_eq!(temporary.password.expose(), "a&b+<");
        let asked = aws.asked.lock().unwrap();
        let request = asked.first().unwrap();
        assert_eq!(request.url, "https://redshift.eu-west-1.amazonaws.com/");
        let body = std::str::from_utf8(&request.body).unwrap();
        assert!(
            body.contains("ClusterIdentifier=shop&DbUser=reader&DbName=dev"),
            "{body}"
        );
        let signed = request
            .headers
            .iter()
            .find(|(name, _)| *name == "authorization")
            .unwrap();
        assert!(
            signed.1.contains("/eu-west-1/redshift/aws4_request"),
            "{}",
            signed.1
        );
        assert!(!format!("{request:?}").contains("hidden"));
    }

    #[tokio::test]
    async fn a_workgroup_hands_out_a_user_of_its_own() {
        let aws = Aws::new(200, r#"{"dbUser":"IAMR:role","dbPassword":"pw","expiration":1}"#);
        let temporary = ask(&aws, "workgroup").await.unwrap();
        assert_eq!(
            (temporary.user.as_str(), temporary.password.expose()),
            ("IAMR:role", "pw")
        );
        let asked = aws.asked.lock().unwrap();
        let request = asked.first().unwrap();
        assert_eq!(
            request.url,
            "https://redshift-serverless.eu-west-1.amazonaws.com/"
        );
        let target = ("x-amz-target", "RedshiftServerless.GetCredentials".to_owned());
        assert_eq!(
            request.headers.iter().filter(|header| **header == target).count(),
            1
        );
    }

    #[tokio::test]
    async fn refusals_name_aws_code_and_the_way_out() {
        let xml = "<ErrorResponse><Error><Code>ClusterNotFound</Code></Error></ErrorResponse>";
        let json = r#"{"__type":"com.amazon#AccessDeniedException","message":"User: arn:secret"}"#;
        for (status, body, code, words) in [
            (404, xml, "iam_refused", "ClusterNotFound"),
            (403, json, "iam_refused", "AccessDeniedException"),
            (403, "<html>", "iam_refused", "HTTP 403"),
            (503, "", "iam_unavailable", "HTTP 503"),
            (200, "{}", "iam_answer", "holds none"),
        ] {
            let error = ask(&Aws::new(status, body), "workgroup").await.unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.message.contains(words), "{error}");
            assert!(!error.message.contains("arn"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_is_no_address_is_named() {
        let mut iam = settings("workgroup");
        iam.endpoint = Some("vpce-1.example.com".into());
        let aws = Aws::new(200, "{}");
        let error = credentials(&aws, &iam, None, "dev", Timestamp::UNIX_EPOCH)
            .await
            .unwrap_err();
        assert_eq!(error.code, "iam_endpoint");
    }
}
