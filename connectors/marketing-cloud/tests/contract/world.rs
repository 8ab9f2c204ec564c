//! A data extension behind a scripted network.

use std::sync::Arc;

use outflow_marketing_cloud::MarketingCloud;
use outflow_sdk::CompactString;
use outflow_sdk::conformance::script::{Script, answer};
use outflow_sdk::destination::{
    Action, Binding, Destination, MappedField, Mode, ObjectSpec, Operation, Outcome, Removed, Sent,
};
use outflow_sdk::http::{HttpRequest, HttpResponse};
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};

pub(crate) const SECRET: &str = "cl1ent-s3cret";
pub(crate) const TOKEN: &str = "t0ken-of-the-test";
pub(crate) const FIELDS: [&str; 4] = ["Id", "Email", "Points", "Plan"];
pub(crate) const EMAIL: u16 = 1;
pub(crate) const POINTS: u16 = 2;

pub(crate) fn settings() -> Json {
    json!({ "base_url": "https://auth.test", "client_id": "client", "client_secret": SECRET, "account_id": 7281234 })
}

pub(crate) fn token(token: &str) -> HttpResponse {
    answer(
        200,
        json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 1079, "scope": "data_extensions_write",
            "rest_instance_url": "https://t.rest.marketingcloudapis.com/",
            "soap_instance_url": "https://t.soap.marketingcloudapis.com/",
        })
        .to_string(),
    )
}

pub(crate) fn envelope(body: &str) -> HttpResponse {
    answer(
        200,
        format!(
            "<?xml version=\"1.0\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
             <soap:Header><wsa:Action xmlns:wsa=\"a\">X</wsa:Action></soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
        ),
    )
}

pub(crate) fn fault(text: &str) -> HttpResponse {
    let mut response = envelope(&format!(
        "<soap:Fault><faultcode>q0:Security</faultcode><faultstring>{text}</faultstring></soap:Fault>"
    ));
    response.status = 500;
    response
}

pub(crate) fn retrieved(status: &str, results: &str) -> HttpResponse {
    envelope(&format!(
        "<RetrieveResponseMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><OverallStatus>{status}</OverallStatus>\
         <RequestID>5f-1</RequestID>{results}</RetrieveResponseMsg>"
    ))
}

pub(crate) fn found(key: &str) -> HttpResponse {
    retrieved(
        "OK",
        &format!(
            "<Results xsi:type=\"DataExtension\" xmlns:xsi=\"x\"><PartnerKey xsi:nil=\"true\" />\
             <CustomerKey>{key}</CustomerKey><Name>Customers</Name></Results>"
        ),
    )
}

pub(crate) fn field(ordinal: u32, name: &str, kind: &str, rest: &str) -> String {
    format!(
        "<Results xsi:type=\"DataExtensionField\" xmlns:xsi=\"x\"><Name>{name}</Name><Ordinal>{ordinal}</Ordinal>\
         <FieldType>{kind}</FieldType><DefaultValue />{rest}</Results>"
    )
}

pub(crate) fn columns() -> String {
    let required = "<IsRequired>true</IsRequired><IsPrimaryKey>false</IsPrimaryKey>";
    [
        field(3, "Plan", "Text", &format!("<MaxLength>20</MaxLength>{required}")),
        field(
            0,
            "Id",
            "Text",
            "<MaxLength>36</MaxLength><IsRequired>true</IsRequired><IsPrimaryKey>true</IsPrimaryKey>",
        ),
        field(2, "Points", "Number", "<IsRequired>false</IsRequired>"),
        field(
            1,
            "Email",
            "EmailAddress",
            "<MaxLength>254</MaxLength><IsRequired>false</IsRequired>",
        ),
    ]
    .concat()
}

pub(crate) fn spec(mode: Mode, fields: &[&str], options: Json) -> ObjectSpec {
    ObjectSpec {
        sync: "test".into(),
        object: "data_extension".into(),
        match_fields: vec!["Id".into()],
        mode,
        removed: (mode == Mode::Mirror).then_some(Removed::Delete),
        fields: fields
            .iter()
            .map(|name| MappedField {
                name: (*name).into(),
                value_type: None,
            })
            .collect(),
        options,
    }
}

pub(crate) fn opened(settings: Json) -> (Arc<Script>, Arc<MarketingCloud>) {
    let script = Arc::new(Script::new());
    let cloud = MarketingCloud::open(settings, Arc::clone(&script) as Arc<_>).unwrap();
    (script, Arc::new(cloud))
}

pub(crate) struct World {
    pub(crate) script: Arc<Script>,
    pub(crate) cloud: Arc<MarketingCloud>,
    pub(crate) binding: Arc<dyn Binding>,
}

/// A sync bound to the data extension `customers`.
pub(crate) async fn bound_with(mode: Mode, fields: &[&str], options: Json) -> World {
    let (script, cloud) = opened(settings());
    script
        .then(token(TOKEN))
        .then(found("customers"))
        .then(retrieved("OK", &columns()));
    let mut all = json!({ "data_extension": "customers" });
    all.as_object_mut()
        .unwrap()
        .extend(options.as_object().cloned().unwrap_or_default());
    let binding = cloud.bind(spec(mode, fields, all), false).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    script.take_requests();
    World {
        script,
        cloud,
        binding,
    }
}

pub(crate) async fn bound() -> World {
    bound_with(Mode::Mirror, &FIELDS, json!({})).await
}

pub(crate) fn operation(row: u64, action: Action, remote: Option<&str>, id: Option<&str>) -> Operation {
    let mut record: Vec<Option<Value>> = vec![None; FIELDS.len()];
    let mut pending = Vec::new();
    if let Some(id) = id {
        record[0] = Some(Value::text(id));
        record[1] = Some(Value::text("ann@x.example"));
        record[3] = Some(Value::text("gold"));
        pending = vec![0, 1, 3];
    }
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action,
        remote: remote.map(CompactString::from),
        record: record.into(),
        pending,
    }
}

pub(crate) fn write(row: u64, id: &str) -> Operation {
    operation(row, Action::Write, None, Some(id))
}

pub(crate) fn another(row: u64) -> Operation {
    write(row, &format!("c{row}"))
}

pub(crate) fn others(count: u64) -> Vec<Operation> {
    (1..=count).map(another).collect()
}

pub(crate) fn with(mut operation: Operation, field: u16, value: Value) -> Operation {
    let mut record = operation.record.to_vec();
    record[usize::from(field)] = Some(value);
    operation.record = record.into();
    if !operation.pending.contains(&field) {
        operation.pending.push(field);
        operation.pending.sort_unstable();
    }
    operation
}

pub(crate) fn known(mut operation: Operation, remote: &str, pending: &[u16]) -> Operation {
    operation.remote = Some(CompactString::from(remote));
    operation.pending = pending.to_vec();
    operation
}

pub(crate) fn deletion(row: u64, id: &str) -> Operation {
    let remote = json!([id]).to_string();
    operation(row, Action::Remove(Removed::Delete), Some(&remote), None)
}

pub(crate) fn deleted(results: &[(&str, &str)]) -> HttpResponse {
    let results: String = (0..)
        .zip(results)
        .map(|(at, (status, text)): (usize, _)| {
            format!(
                "<Results><StatusCode>{status}</StatusCode><StatusMessage>{text}</StatusMessage><OrdinalID>{at}</OrdinalID></Results>"
            )
        })
        .collect();
    envelope(&format!(
        "<DeleteResponse>{results}<RequestID>r</RequestID><OverallStatus>OK</OverallStatus></DeleteResponse>"
    ))
}

impl World {
    pub(crate) async fn send(&self, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let route = self.binding.route(&operations[0]);
        let encoded = self.binding.encode(route, operations);
        assert_eq!(encoded.taken, operations.len());
        self.binding.send(&encoded.request, operations).await
    }

    /// Sends, and expects outcomes at once.
    pub(crate) async fn settled(&self, operations: &[Operation]) -> Result<Vec<Outcome>, ConnectorError> {
        match self.send(operations).await? {
            Sent::Settled(answer) => {
                assert_eq!(answer.outcomes.len(), operations.len());
                Ok(answer.outcomes)
            }
            Sent::Accepted(ticket) => panic!("a job: {ticket:?}"),
        }
    }

    /// What one answer to a request of so many rows means.
    pub(crate) async fn answered(
        &self,
        rows: u64,
        given: HttpResponse,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        self.script.then(given);
        self.settled(&others(rows)).await
    }
}

/// Each outcome in a word.
pub(crate) fn words(outcomes: &[Outcome]) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } => "applied".to_owned(),
        Outcome::Rejected(rejection) => format!("rejected {}", rejection.code),
        Outcome::Retry { code, .. } => format!("retry {code}"),
        Outcome::InDoubt => "in doubt".to_owned(),
        other => format!("{other:?}"),
    };
    outcomes.iter().map(word).collect()
}

pub(crate) fn kind(error: &ConnectorError) -> &'static str {
    match error.kind {
        ErrorKind::Config => "config",
        ErrorKind::Auth => "auth",
        ErrorKind::RateLimited { .. } => "limited",
        ErrorKind::Transient { .. } => "transient",
        ErrorKind::Ambiguous => "ambiguous",
        ErrorKind::BatchRejected { .. } => "batch",
        ErrorKind::Contract => "contract",
        _ => "other",
    }
}

pub(crate) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut headers = request.headers.iter();
    headers
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_str())
}

pub(crate) fn text(request: &HttpRequest) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}
