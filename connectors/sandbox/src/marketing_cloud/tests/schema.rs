//! SOAP: envelopes, and the schema of data extensions.

use super::Bench;

const SPACE: &str = "http://exacttarget.com/wsdl/partnerAPI";

fn retrieve(object: &str, properties: &[&str], filter: &str) -> String {
    let properties: String = properties
        .iter()
        .map(|name| format!("<Properties>{name}</Properties>"))
        .collect();
    format!(
        "<RetrieveRequestMsg xmlns=\"{SPACE}\"><RetrieveRequest><ObjectType>{object}</ObjectType>{properties}{filter}\
         </RetrieveRequest></RetrieveRequestMsg>"
    )
}

fn filter(property: &str, operator: &str, value: &str) -> String {
    format!(
        "<Filter xsi:type=\"SimpleFilterPart\"><Property>{property}</Property>\
         <SimpleOperator>{operator}</SimpleOperator><Value>{value}</Value></Filter>"
    )
}

fn of_people() -> String {
    filter("DataExtension.CustomerKey", "equals", "PEOPLE")
}

#[tokio::test]
async fn columns_tell_their_type_length_and_place() {
    let bench = Bench::new().await;
    let properties = [
        "Name",
        "FieldType",
        "MaxLength",
        "Scale",
        "Ordinal",
        "IsPrimaryKey",
        "IsRequired",
    ];
    let got = bench
        .soap(
            "Retrieve",
            &retrieve("DataExtensionField", &properties, &of_people()),
        )
        .await;
    assert_eq!(got.texts("OverallStatus"), ["OK"]);
    // In no order of their own.
    assert_eq!(got.texts("Ordinal"), ["7", "6", "5", "4", "3", "2", "1", "0"]);
    let types = [
        "Locale",
        "Phone",
        "Date",
        "Boolean",
        "Decimal",
        "Number",
        "Text",
        "EmailAddress",
    ];
    assert_eq!(got.texts("FieldType"), types);
    assert_eq!(got.texts("MaxLength"), ["6", "5", "254"]);
    assert_eq!(got.texts("Scale"), ["2", "0"]);
    assert_eq!(got.texts("IsPrimaryKey").last().unwrap(), "true");
    assert!(got.text.contains("<soap:Envelope") && got.text.contains("<soap:Body>"));
}

#[tokio::test]
async fn an_answer_has_the_properties_asked_for_and_no_other() {
    let bench = Bench::new().await;
    let by_key = filter("CustomerKey", "equals", "people");
    let got = bench
        .soap("Retrieve", &retrieve("DataExtension", &["Name"], &by_key))
        .await;
    assert_eq!(
        (got.texts("Name"), got.texts("CustomerKey")),
        (vec!["people".to_owned()], Vec::new())
    );
    // The id is there all the same, as nothing.
    assert_eq!(got.texts("ObjectID"), [""]);
    let got = bench
        .soap("Retrieve", &retrieve("DataExtension", &["ObjectID"], &by_key))
        .await;
    assert_eq!(got.texts("ObjectID")[0].len(), 36);
    let none = retrieve("DataExtension", &["Name"], &filter("Name", "equals", "nope"));
    let got = bench.soap("Retrieve", &none).await;
    assert_eq!(
        (got.texts("OverallStatus"), got.texts("Results").len()),
        (vec!["OK".to_owned()], 0)
    );
}

#[tokio::test]
async fn what_cannot_be_retrieved_is_told_in_the_status() {
    let bench = Bench::new().await;
    for (object, property, filter, words) in [
        (
            "dataextension",
            "Name",
            String::new(),
            "Error: Unable to find a handler for object type: dataextension.",
        ),
        (
            "DataExtension",
            "Fields",
            String::new(),
            "Error: The Request Property(s) Fields do not match",
        ),
        (
            "DataExtension",
            "Name",
            filter("Nope", "equals", "x"),
            "Error: The Filter Property Nope",
        ),
        (
            "DataExtension",
            "Name",
            filter("Name", "beginsWith", "x"),
            "Error: The operator beginsWith",
        ),
    ] {
        let got = bench
            .soap("Retrieve", &retrieve(object, &[property], &filter))
            .await;
        assert_eq!(got.status, 200);
        assert!(got.texts("OverallStatus")[0].starts_with(words), "{}", got.text);
        assert!(got.texts("Results").is_empty());
    }
}

#[tokio::test]
async fn prefixes_order_case_of_the_path_and_quotes_count_for_nothing() {
    let bench = Bench::new().await;
    let body = format!(
        "<?xml version=\"1.0\"?><SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:ns0=\"{SPACE}\"><SOAP-ENV:Header><etns:fueloauth xmlns:etns=\"http://exacttarget.com\">{}</etns:fueloauth>\
         </SOAP-ENV:Header><SOAP-ENV:Body><ns0:RetrieveRequestMsg><ns0:RetrieveRequest><ns0:ObjectType>DataExtension\
         </ns0:ObjectType><ns0:Properties>Name</ns0:Properties></ns0:RetrieveRequest></ns0:RetrieveRequestMsg>\
         </SOAP-ENV:Body></SOAP-ENV:Envelope>",
        bench.token
    );
    let request = bench
        .outside("POST", "/service.asmx")
        .header("soapaction", "\"Retrieve\"");
    let got = bench.send(request.body(body.replace(" \n", ""))).await;
    assert_eq!(got.texts("Name"), ["people"]);
}

#[tokio::test]
async fn an_action_that_is_missing_or_does_not_fit_is_a_fault() {
    let bench = Bench::new().await;
    let body = retrieve("DataExtension", &["Name"], "");
    for action in ["", "Delete", "retrieve"] {
        let got = bench.soap(action, &body).await;
        assert_eq!(
            (got.status, got.texts("faultcode")),
            (500, vec!["soap:Client".to_owned()]),
            "{action}"
        );
    }
    let broken = bench
        .outside("POST", "/Service.asmx")
        .header("soapaction", "Retrieve");
    assert_eq!(bench.send(broken.body("<Envelope>")).await.status, 500);
}

#[tokio::test]
async fn a_data_extension_is_made_once_and_columns_are_added_to_it() {
    let bench = Bench::new().await;
    let field = |name: &str, kind: &str, more: &str| {
        format!("<Field><Name>{name}</Name><FieldType>{kind}</FieldType>{more}</Field>")
    };
    let key = field(
        "Id",
        "Text",
        "<MaxLength>20</MaxLength><IsPrimaryKey>true</IsPrimaryKey>",
    );
    let change = |message: &str, fields: &str| {
        format!(
            "<{message} xmlns=\"{SPACE}\"><Options/><Objects xsi:type=\"DataExtension\"><CustomerKey>made</CustomerKey>\
             <Name>Made</Name><Fields>{fields}</Fields></Objects></{message}>"
        )
    };
    for bad in [
        field("_Id", "Text", ""),
        field("Id", "Words", ""),
        field("Id", "Text", "<IsPrimaryKey>true</IsPrimaryKey>"),
        field("Id", "Text", "<MaxLength>4001</MaxLength>"),
        key.clone() + &field("ID", "Number", ""),
        String::new(),
    ] {
        let got = bench.soap("Create", &change("CreateRequest", &bad)).await;
        assert_eq!(got.texts("OverallStatus"), ["Error"], "{bad}");
    }
    let got = bench.soap("Create", &change("CreateRequest", &key)).await;
    assert_eq!(got.texts("OverallStatus"), ["OK"]);
    let again = bench.soap("Create", &change("CreateRequest", &key)).await;
    assert_eq!(again.texts("OverallStatus"), ["Error"]);
    let added = bench
        .soap("Update", &change("UpdateRequest", &field("Vip", "Boolean", "")))
        .await;
    assert_eq!(added.texts("OverallStatus"), ["OK"]);
    let second_key = field("Key2", "Number", "<IsPrimaryKey>true</IsPrimaryKey>");
    let refused = bench.soap("Update", &change("UpdateRequest", &second_key)).await;
    assert_eq!(refused.texts("OverallStatus"), ["Error"]);
    let of_made = filter("DataExtension.CustomerKey", "equals", "made");
    let got = bench
        .soap("Retrieve", &retrieve("DataExtensionField", &["Name"], &of_made))
        .await;
    assert_eq!(got.texts("Name"), ["Vip", "Id"]);
}
