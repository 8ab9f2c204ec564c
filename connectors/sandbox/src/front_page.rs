//! One page over all twins: what each of them has of a contact, one below the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;

use crate::html::{self, escape, put};
use crate::server::{Answer, Asked, Server, Service};
use crate::{hubspot, mailchimp, marketing_cloud};

/// Writes what a twin has for a search.
pub(crate) type Glance = Box<dyn Fn(&mut String, &str) + Send + Sync>;

/// The running page; dropping it stops it.
pub struct FrontPage {
    server: Server,
}

impl FrontPage {
    /// Serves the page on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(
        listen: SocketAddr,
        hubspot: &hubspot::Twin,
        mailchimp: &mailchimp::Twin,
        marketing_cloud: &marketing_cloud::Twin,
    ) -> io::Result<Self> {
        let twin = |title, url, glance| Shown { title, url, glance };
        let front = Front(vec![
            twin("HubSpot", hubspot.base_url(), hubspot.glance()),
            twin("Mailchimp", mailchimp.base_url(), mailchimp.glance()),
            twin(
                "Marketing Cloud",
                marketing_cloud.base_url(),
                marketing_cloud.glance(),
            ),
        ]);
        let server = Server::start(listen, Arc::new(front)).await?;
        Ok(Self { server })
    }

    /// Where it is, such as `http://127.0.0.1:4713`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

/// One twin on the page.
struct Shown {
    title: &'static str,
    url: String,
    glance: Glance,
}

/// What the server calls.
struct Front(Vec<Shown>);

impl Service for Front {
    async fn answer(&self, asked: Asked) -> Answer {
        if asked.uri.path() != "/" {
            return Answer::new(StatusCode::NOT_FOUND, "text/plain", "there is only /\n");
        }
        html::answer(&asked, "Outflow sandbox", |html, search, _| {
            html.push_str("<p>The same contact in each twin: search an address, a name, any value.</p>");
            html::search_form(html, search);
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("q", search)
                .finish();
            for twin in &self.0 {
                put!(html, "<h2><a href=\"{}/?", twin.url);
                escape(html, &query);
                put!(html, "\">{}</a></h2>", twin.title);
                (twin.glance)(html, search);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::Ipv4Addr;

    use super::*;
    use crate::marketing_cloud::{Column, ColumnType};

    #[tokio::test]
    async fn one_page_shows_a_contact_in_every_twin_and_links_to_each() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let crm = hubspot::Twin::start(hubspot::Options::default()).await.unwrap();
        let news = mailchimp::Twin::start(mailchimp::Options::default())
            .await
            .unwrap();
        let sfmc = marketing_cloud::Twin::start(marketing_cloud::Options::default())
            .await
            .unwrap();
        for email in ["ada@domain.tld", "bob@domain.tld"] {
            crm.put_record("contacts", &[("email", email)]).unwrap();
            news.put_member(mailchimp::AUDIENCE, email, mailchimp::Status::Subscribed, &[])
                .unwrap();
        }
        sfmc.define(
            "people",
            vec![Column::new("Email", ColumnType::EmailAddress).primary()],
        );
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let front = FrontPage::start(free, &crm, &news, &sfmc).await.unwrap();
        let client = reqwest::Client::builder()
            .tls_built_in_root_certs(false)
            .build()
            .unwrap();
        let page = async |path: &str| {
            let response = client.get(format!("{}{path}", front.url())).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let (status, all) = page("/").await;
        assert_eq!(status, 200);
        for part in ["2 contacts", "2 members", "0 rows", "bob@domain.tld"] {
            assert!(all.contains(part), "{part}");
        }
        for url in [crm.base_url(), news.base_url(), sfmc.base_url()] {
            assert!(all.contains(&format!("href=\"{url}/?q=\"")), "{url}");
        }
        let (_, found) = page("/?q=ada%3C").await;
        assert!(found.contains("0 contacts") && found.contains("ada&lt;"));
        let (_, found) = page("/?q=ada").await;
        assert!(found.contains("1 contact<") && !found.contains("bob@domain.tld"));
        assert_eq!(page("/other").await.0, 404);
        assert_eq!(crm.request_count(), 0, "looking is no request to the API");
    }
}
