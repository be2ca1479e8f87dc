//! Names, places and languages for generated people: of many scripts, since that is where mappings go wrong.

/// What people of one language are called and where they live.
pub struct Locale {
    /// For preferredLanguage, by BCP 47.
    pub language: &'static str,
    /// Whether a display name begins with the surname.
    pub surname_first: bool,
    pub given_names: &'static [&'static str],
    pub surnames: &'static [&'static str],
    /// Places and the states they are in.
    pub places: &'static [(&'static str, &'static str)],
    pub streets: &'static [&'static str],
}

/// Job titles.
pub const TITLES: &[&str] =
    &["Engineer", "Senior Engineer", "Analyst", "Accountant", "Team Lead", "Buyer", "Controller"];

/// Department names.
pub const DEPARTMENTS: &[&str] = &["Sales", "Finance", "Research & Development", "Support", "Logistics", "Legal"];

/// The languages that people are drawn from.
pub const LOCALES: &[Locale] = &[
    Locale {
        language: "en-US",
        surname_first: false,
        given_names: &["Ann", "James", "Mary-Lou", "Robert"],
        surnames: &["Smith", "O'Brien", "Van Dyke", "Lee, Jr."],
        places: &[("Portland", "Oregon"), ("Austin", "Texas")],
        streets: &["Main Street", "5th Avenue"],
    },
    Locale {
        language: "de-DE",
        surname_first: false,
        given_names: &["Jürgen", "Käthe", "Sören", "Anna"],
        surnames: &["Müller", "Weiß", "von der Höhe", "Schäfer"],
        places: &[("Köln", "Nordrhein-Westfalen"), ("Nürnberg", "Bayern")],
        streets: &["Königstraße", "Am Mühlbach"],
    },
    Locale {
        language: "fr-FR",
        surname_first: false,
        given_names: &["Zoé", "François", "Anaïs", "Loïc"],
        surnames: &["Lefèvre", "d'Été", "Beauséjour", "Noël"],
        places: &[("Orléans", "Loiret"), ("Besançon", "Doubs")],
        streets: &["Rue de l'Église", "Allée des Chênes"],
    },
    Locale {
        language: "pl-PL",
        surname_first: false,
        given_names: &["Łukasz", "Małgorzata", "Zdzisław"],
        surnames: &["Żółkiewski", "Święcicka", "Dąbrowska"],
        places: &[("Łódź", "łódzkie"), ("Gdańsk", "pomorskie")],
        streets: &["ulica Długa", "aleja Pokoju"],
    },
    Locale {
        language: "el-GR",
        surname_first: false,
        given_names: &["Γιώργος", "Ελένη", "Σοφία"],
        surnames: &["Παπαδόπουλος", "Οικονόμου"],
        places: &[("Θεσσαλονίκη", "Κεντρική Μακεδονία")],
        streets: &["Οδός Αριστοτέλους"],
    },
    Locale {
        language: "ru-RU",
        surname_first: false,
        given_names: &["Ольга", "Дмитрий", "Наталья"],
        surnames: &["Иванова", "Щербаков", "Ёлкина"],
        places: &[("Екатеринбург", "Свердловская область")],
        streets: &["улица Ленина"],
    },
    Locale {
        language: "ar-EG",
        surname_first: false,
        given_names: &["محمد", "فاطمة", "يوسف"],
        surnames: &["عبد الله", "الحسيني"],
        places: &[("القاهرة", "القاهرة")],
        streets: &["شارع التحرير"],
    },
    Locale {
        language: "ja-JP",
        surname_first: true,
        given_names: &["太郎", "花子", "健"],
        surnames: &["佐藤", "渡邊", "髙橋"],
        places: &[("横浜市", "神奈川県")],
        streets: &["中央一丁目"],
    },
    Locale {
        language: "zh-CN",
        surname_first: true,
        given_names: &["伟", "秀英", "𠮷明"],
        surnames: &["王", "欧阳"],
        places: &[("成都", "四川")],
        streets: &["人民路"],
    },
    Locale {
        language: "hi-IN",
        surname_first: false,
        given_names: &["राहुल", "प्रिया"],
        surnames: &["शर्मा", "त्रिपाठी"],
        places: &[("वाराणसी", "उत्तर प्रदेश")],
        streets: &["गांधी मार्ग"],
    },
    Locale {
        language: "vi-VN",
        surname_first: true,
        given_names: &["Thị Hương", "Quốc Đạt"],
        surnames: &["Nguyễn", "Trần"],
        places: &[("Đà Nẵng", "Đà Nẵng")],
        streets: &["Đường Lê Lợi"],
    },
];
