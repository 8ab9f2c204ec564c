//! A mail server that understands as much SMTP as a client may use: EHLO, STARTTLS, AUTH PLAIN, MAIL,
//! RCPT, DATA, QUIT, with TLS from the start where it is asked for. It refuses what it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How it is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Clear,
    Starttls,
    Implicit,
}

/// What it does with what it is given.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) speaks: Speaks,
    /// AUTH PLAIN must hold this: `\0USER\0PASSWORD` in base64.
    pub(crate) login: Option<&'static str>,
    /// Recipients it refuses, and the answer.
    pub(crate) refuses: Vec<(&'static str, &'static str)>,
    /// So many e-mails are put off at their end, with 451.
    pub(crate) busy: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            speaks: Speaks::Clear,
            login: None,
            refuses: Vec::new(),
            busy: 0,
        }
    }
}

/// An e-mail it took.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) encrypted: bool,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Header and text, with `\n` at the ends of lines and quoted-printable undone.
    pub(crate) text: String,
}

/// A running mail server; it goes with the test's process.
pub(crate) struct PostOffice {
    pub(crate) port: u16,
    letters: Arc<Mutex<Vec<Letter>>>,
    /// Every line a client said, outside of e-mails.
    said: Arc<Mutex<Vec<String>>>,
}

impl PostOffice {
    /// Starts one; the authority behind its certificate for `localhost` is written to `folder`.
    pub(crate) fn start(rules: Rules, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = certified(folder);
        let (letters, said) = (Arc::default(), Arc::default());
        let (taken, heard) = (Arc::clone(&letters), Arc::clone(&said));
        std::thread::spawn(move || {
            let busy = Arc::new(Mutex::new(rules.busy));
            for stream in listener.incoming() {
                let conversation = Conversation {
                    line: Line::Clear(stream.unwrap()),
                    tls: Arc::clone(&tls),
                    rules: rules.clone(),
                    busy: Arc::clone(&busy),
                    letters: Arc::clone(&taken),
                    said: Arc::clone(&heard),
                };
                // A client that hangs up ends its conversation, not the server.
                std::thread::spawn(|| conversation.hold());
            }
        });
        Self { port, letters, said }
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Where the authority's certificate is.
    pub(crate) fn authority(folder: &Path) -> PathBuf {
        folder.join("post-office-ca.pem")
    }
}

fn certified(folder: &Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(PostOffice::authority(folder), authority.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}

enum Line {
    Clear(TcpStream),
    Encrypted(Box<StreamOwned<ServerConnection, TcpStream>>),
    /// Between the two.
    Gone,
}

impl Line {
    fn encrypt(&mut self, tls: &Arc<ServerConfig>) {
        if let Line::Clear(stream) = std::mem::replace(self, Line::Gone) {
            let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
            *self = Line::Encrypted(Box::new(StreamOwned::new(connection, stream)));
        }
    }

    fn is_encrypted(&self) -> bool {
        matches!(self, Line::Encrypted(_))
    }

    /// One line without its end; none when the client hung up.
    fn read(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n") {
            let read = match self {
                Line::Clear(stream) => stream.read(&mut byte),
                Line::Encrypted(stream) => stream.read(&mut byte),
                Line::Gone => return None,
            };
            if !matches!(read, Ok(1)) {
                return None;
            }
            bytes.push(byte[0]);
        }
        bytes.truncate(bytes.len() - 2);
        String::from_utf8(bytes).ok()
    }

    fn say(&mut self, answer: &str) -> Option<()> {
        let bytes = format!("{answer}\r\n").into_bytes();
        let written = match self {
            Line::Clear(stream) => stream.write_all(&bytes),
            Line::Encrypted(stream) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            Line::Gone => return None,
        };
        written.ok()
    }
}

struct Conversation {
    line: Line,
    tls: Arc<ServerConfig>,
    rules: Rules,
    busy: Arc<Mutex<usize>>,
    letters: Arc<Mutex<Vec<Letter>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Conversation {
    fn hold(mut self) -> Option<()> {
        if self.rules.speaks == Speaks::Implicit {
            self.line.encrypt(&Arc::clone(&self.tls));
        }
        self.line.say("220 post.example ready")?;
        let mut logged_in = self.rules.login.is_none();
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let line = self.line.read()?;
            self.said.lock().unwrap().push(line.clone());
            let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let address = || {
                let rest = line.split_once('<')?.1;
                Some(rest.split_once('>')?.0.to_owned())
            };
            match word.as_str() {
                "EHLO" => self.greet()?,
                "STARTTLS" if self.rules.speaks == Speaks::Starttls => {
                    self.line.say("220 go on")?;
                    self.line.encrypt(&Arc::clone(&self.tls));
                }
                "AUTH" if line.rsplit(' ').next() == self.rules.login => {
                    logged_in = true;
                    self.line.say("235 welcome")?;
                }
                "AUTH" => self
                    .line
                    .say("535 5.7.8 wrong password for outflow@example.com")?,
                "MAIL" if logged_in => {
                    from = address()?;
                    self.line.say("250 ok")?;
                }
                "RCPT" if logged_in => {
                    let address = address()?;
                    let refused = self.rules.refuses.iter().find(|(known, _)| *known == address);
                    match refused {
                        Some((_, answer)) => self.line.say(answer)?,
                        None => {
                            to.push(address);
                            self.line.say("250 ok")?;
                        }
                    }
                }
                "DATA" if !to.is_empty() => self.take(&from, std::mem::take(&mut to))?,
                "QUIT" => return self.line.say("221 bye"),
                _ => self.line.say("503 not now")?,
            }
        }
    }

    fn greet(&mut self) -> Option<()> {
        let mut answers = vec!["post.example".to_owned()];
        if self.rules.speaks == Speaks::Starttls && !self.line.is_encrypted() {
            answers.push("STARTTLS".into());
        }
        if self.rules.login.is_some() {
            answers.push("AUTH PLAIN".into());
        }
        let last = answers.len() - 1;
        for (index, answer) in answers.iter().enumerate() {
            let between = if index == last { ' ' } else { '-' };
            self.line.say(&format!("250{between}{answer}"))?;
        }
        Some(())
    }

    fn take(&mut self, from: &str, to: Vec<String>) -> Option<()> {
        self.line.say("354 end with a dot")?;
        let mut text = String::new();
        loop {
            let line = self.line.read()?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
        }
        let mut busy = self.busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            drop(busy);
            return self.line.say("451 4.3.0 try later");
        }
        drop(busy);
        self.letters.lock().unwrap().push(Letter {
            encrypted: self.line.is_encrypted(),
            from: from.to_owned(),
            to,
            text: text.replace("=\n", "").replace("=3D", "="),
        });
        self.line.say("250 taken")
    }
}
