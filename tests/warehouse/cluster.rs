//! A private PostgreSQL server for tests: its own folder, port and certificates, gone with the process.
//!
//! It is found on PATH or where Debian and Homebrew put it; `OUTFLOW_POSTGRES_BIN` names another place.
//! Without one the tests fail and say what to install: a source that is not tried against a real server
//! is not tested.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The superuser of every cluster.
pub const ADMIN: &str = "admin";
/// Its password.
pub const ADMIN_PASSWORD: &str = "admin-password-6d1f";

/// A running server.
pub struct Cluster {
    /// Where it listens, on 127.0.0.1 and as a socket in `folder`.
    pub port: u16,
    /// Its folder, with `ca.pem`.
    pub folder: PathBuf,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    /// Ends the server when its standard input closes, however this process ends.
    keeper: Child,
}

impl Cluster {
    /// Makes and starts a server that speaks TLS with a certificate for `localhost` alone.
    pub fn start() -> Self {
        let bin = find();
        let user = server_user();
        let folder = std::env::temp_dir().join(format!("outflow-pg-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir_all(&folder).expect("a folder for the cluster");
        own(&folder, user);
        std::fs::write(folder.join("password"), ADMIN_PASSWORD).expect("the password file");
        let data = folder.join("data");
        let mut initdb = command(&bin.join("initdb"), user);
        initdb
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .arg(format!("--username={ADMIN}"))
            .arg(format!("--pwfile={}", folder.join("password").display()))
            .arg("--pgdata")
            .arg(&data);
        let made = initdb.output().expect("initdb starts");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        certificates(&folder, user);
        let port = free_port();
        let keeper = keep(&bin, &folder, port, user);
        let cluster = Self {
            port,
            folder,
            bin,
            user,
            keeper,
        };
        cluster.wait();
        cluster
    }

    /// Runs SQL as the superuser, in its own database.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("postgres", sql)
    }

    /// Runs SQL as the superuser in a database.
    pub fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = command(&self.bin.join("psql"), self.user)
            .env("PGPASSWORD", ADMIN_PASSWORD)
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                ADMIN,
            ])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .expect("psql starts");
        assert!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Stops the server at once, as a crash does; what runs in it is lost.
    pub fn kill(&self) {
        let stopped = command(&self.bin.join("pg_ctl"), self.user)
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.folder.join("data"))
            .output()
            .expect("pg_ctl starts");
        assert!(
            stopped.status.success(),
            "{}",
            String::from_utf8_lossy(&stopped.stderr)
        );
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        let _ = self.keeper.wait();
        self.keeper = keep(&self.bin, &self.folder, self.port, self.user);
        self.wait();
    }

    fn wait(&self) {
        let ready = Instant::now() + Duration::from_secs(60);
        while Instant::now() < ready {
            let asked = command(&self.bin.join("pg_isready"), self.user)
                .args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a server outside the runtime is waited for"
            )]
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = String::new();
        if let Ok(mut file) = std::fs::File::open(self.folder.join("log")) {
            let _ = file.read_to_string(&mut log);
        }
        panic!("PostgreSQL does not start:\n{log}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A shell that runs the server until its own standard input closes, and then removes its folder. No query
/// can fill the disk.
fn keep(bin: &Path, folder: &Path, port: u16, user: Option<(u32, u32)>) -> Child {
    let script = r#"
        "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c fsync=off \
            -c ssl=on -c ssl_cert_file="$2/server.pem" -c ssl_key_file="$2/server.key" \
            -c max_connections=40 -c temp_file_limit=1GB -c max_wal_size=256MB >>"$2/log" 2>&1 </dev/null &
        server=$!
        { read -r _ || true; touch "$2/over"; kill -INT $server 2>/dev/null; sleep 10; kill -9 $server 2>/dev/null; } <&3 &
        keeper=$!
        wait $server
        kill $keeper 2>/dev/null
        [ -e "$2/over" ] && rm -rf "$2"
    "#;
    // The reader must not get /dev/null, which background commands of a shell read from.
    let script = format!("exec 3<&0\n{script}");
    command(Path::new("/bin/sh"), user)
        .arg("-c")
        .arg(script)
        .arg("keeper")
        .arg(bin)
        .arg(folder)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell starts")
}

/// Where the server's programs are.
fn find() -> PathBuf {
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(std::env::var_os("OUTFLOW_POSTGRES_BIN").map(PathBuf::from));
    places.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        places.extend(versions.into_iter().rev());
    }
    let found = places.into_iter().find(|place| {
        ["initdb", "postgres", "pg_ctl", "pg_isready", "psql"]
            .iter()
            .all(|program| place.join(program).is_file())
    });
    found.expect(
        "these tests need a PostgreSQL server of their own: install it (Debian, Ubuntu: apt-get install \
         postgresql; macOS: brew install postgresql@17), or name the folder of initdb and postgres in \
         OUTFLOW_POSTGRES_BIN",
    )
}

/// The server refuses to run as root: then it runs as its own user, or as nobody.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
        .current_dir("/")
        .env("LC_ALL", "C")
        .env_remove("PGOPTIONS");
    command
}

fn own(path: &Path, user: Option<(u32, u32)>) {
    if let Some((uid, gid)) = user {
        chown(path, Some(uid), Some(gid)).expect("the server's user owns its files");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// An authority (`ca.pem`), another that signed nothing (`other-ca.pem`), and the server's certificate.
fn certificates(folder: &Path, user: Option<(u32, u32)>) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, format!("Outflow test {name}"));
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
    };
    let ca = authority("CA");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &ca).expect("a certificate");
    for (name, text) in [
        ("ca.pem", ca.pem()),
        ("other-ca.pem", authority("other CA").pem()),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a certificate file");
        own(&path, user);
    }
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.join("server.key"), private).expect("a private key");
}
