//! Plausible people and companies, the same every time.

/// First names with their spelling in an address.
const FIRST: [(&str, &str); 40] = [
    ("Amélie", "amelie"),
    ("Anders", "anders"),
    ("Anna", "anna"),
    ("Aylin", "aylin"),
    ("Ben", "ben"),
    ("Bjørn", "bjorn"),
    ("Carla", "carla"),
    ("Chiara", "chiara"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("Emma", "emma"),
    ("Felix", "felix"),
    ("Fatima", "fatima"),
    ("Giulia", "giulia"),
    ("Hannah", "hannah"),
    ("Ingrid", "ingrid"),
    ("Ivan", "ivan"),
    ("Jonas", "jonas"),
    ("José", "jose"),
    ("Julia", "julia"),
    ("Katarzyna", "katarzyna"),
    ("Lars", "lars"),
    ("Lea", "lea"),
    ("Liam", "liam"),
    ("Łukasz", "lukasz"),
    ("Maja", "maja"),
    ("Marco", "marco"),
    ("Mei", "mei"),
    ("Mohamed", "mohamed"),
    ("Nadia", "nadia"),
    ("Noah", "noah"),
    ("Olga", "olga"),
    ("Paul", "paul"),
    ("Priya", "priya"),
    ("Ravi", "ravi"),
    ("Sofia", "sofia"),
    ("Théo", "theo"),
    ("Yuki", "yuki"),
    ("Zoë", "zoe"),
    ("Zuzana", "zuzana"),
];

/// Last names with their spelling in an address.
const LAST: [(&str, &str); 40] = [
    ("Almeida", "almeida"),
    ("Andersson", "andersson"),
    ("Bauer", "bauer"),
    ("Becker", "becker"),
    ("Bernard", "bernard"),
    ("Costa", "costa"),
    ("Demir", "demir"),
    ("Dubois", "dubois"),
    ("Fernández", "fernandez"),
    ("Fischer", "fischer"),
    ("García", "garcia"),
    ("Hansen", "hansen"),
    ("Horvat", "horvat"),
    ("Ivanova", "ivanova"),
    ("Jansen", "jansen"),
    ("Kaya", "kaya"),
    ("Kowalska", "kowalska"),
    ("Larsen", "larsen"),
    ("Leroy", "leroy"),
    ("López", "lopez"),
    ("Marino", "marino"),
    ("Meyer", "meyer"),
    ("Moreau", "moreau"),
    ("Müller", "mueller"),
    ("Nagy", "nagy"),
    ("Nowak", "nowak"),
    ("Okafor", "okafor"),
    ("Olsen", "olsen"),
    ("Patel", "patel"),
    ("Popescu", "popescu"),
    ("Ricci", "ricci"),
    ("Rossi", "rossi"),
    ("Santos", "santos"),
    ("Schmidt", "schmidt"),
    ("Silva", "silva"),
    ("Svobodová", "svobodova"),
    ("Tanaka", "tanaka"),
    ("van Dijk", "vandijk"),
    ("Weber", "weber"),
    ("Wójcik", "wojcik"),
];

/// Cities with their countries.
const PLACES: [(&str, &str); 16] = [
    ("Amsterdam", "Netherlands"),
    ("Barcelona", "Spain"),
    ("Berlin", "Germany"),
    ("Brno", "Czechia"),
    ("Copenhagen", "Denmark"),
    ("Gdańsk", "Poland"),
    ("Hamburg", "Germany"),
    ("Istanbul", "Türkiye"),
    ("Lisbon", "Portugal"),
    ("Lyon", "France"),
    ("Milan", "Italy"),
    ("Oslo", "Norway"),
    ("Porto", "Portugal"),
    ("Uppsala", "Sweden"),
    ("Vienna", "Austria"),
    ("Zürich", "Switzerland"),
];

/// What stages there are.
pub(super) const STAGES: [&str; 4] = ["subscriber", "lead", "opportunity", "customer"];
const TIERS: [&str; 3] = ["bronze", "silver", "gold"];
const TRADES: [&str; 8] = [
    "Bakery", "Books", "Coffee", "Cycles", "Gardens", "Optics", "Records", "Tools",
];

/// A customer of the generated shop.
pub(super) struct Customer {
    pub(super) id: u64,
    pub(super) email: String,
    pub(super) first_name: Option<&'static str>,
    pub(super) last_name: &'static str,
    pub(super) city: &'static str,
    pub(super) country: &'static str,
    pub(super) stage: &'static str,
    /// ISO date.
    pub(super) birthday: Option<String>,
    /// Amounts in cents, with the day of the order (ISO date).
    pub(super) orders: Vec<(u64, String)>,
    pub(super) tier: Option<&'static str>,
    /// Whether they want the newsletter.
    pub(super) newsletter: bool,
}

/// A company of the generated list.
pub(super) struct Company {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) city: &'static str,
    pub(super) employees: u64,
}

/// A stream of numbers that depends on its seed alone (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % sides.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::try_from(self.roll(from.len() as u64)).unwrap_or(0);
        from.get(at).copied()
    }
}

/// Customer number `id`, from 1.
pub(super) fn customer(id: u64) -> Customer {
    let mut dice = Dice(id);
    let (first, first_plain) = dice.pick(&FIRST).unwrap_or_default();
    let (last_name, last_plain) = dice.pick(&LAST).unwrap_or_default();
    let (city, country) = dice.pick(&PLACES).unwrap_or_default();
    // No such domains exist. Those reserved for examples look fake to Mailchimp, which refuses them.
    let host = dice
        .pick(&["mail.demo", "post.demo", "web.demo"])
        .unwrap_or_default();
    let birthday = (dice.roll(10) < 8).then(|| date(&mut dice, 1950, 55));
    let orders = (0..dice.roll(6))
        .map(|_| (500 + dice.roll(25_000), date(&mut dice, 2024, 2)))
        .collect();
    Customer {
        id,
        email: format!("{first_plain}.{last_plain}.{id}@{host}"),
        first_name: (dice.roll(50) > 0).then_some(first),
        last_name,
        city,
        country,
        stage: dice.pick(&STAGES).unwrap_or_default(),
        birthday,
        orders,
        tier: if dice.roll(3) == 0 {
            dice.pick(&TIERS)
        } else {
            None
        },
        newsletter: dice.roll(10) < 7,
    }
}

fn date(dice: &mut Dice, first_year: u64, years: u64) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        first_year + dice.roll(years),
        1 + dice.roll(12),
        1 + dice.roll(28)
    )
}

/// Company number `id`, from 1.
pub(super) fn company(id: u64) -> Company {
    let mut dice = Dice(id ^ 0xc0ffee);
    let (owner, owner_plain) = dice.pick(&LAST).unwrap_or_default();
    let trade = dice.pick(&TRADES).unwrap_or_default();
    let (city, _) = dice.pick(&PLACES).unwrap_or_default();
    Company {
        number: format!("C-{id:04}"),
        name: format!("{owner} {trade}"),
        domain: format!("{owner_plain}-{}-{id}.example", trade.to_lowercase()),
        city,
        employees: 2 + dice.roll(400),
    }
}
