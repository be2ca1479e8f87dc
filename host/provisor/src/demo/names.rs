//! Names from many languages and scripts, each with the Latin letters that its bearer would use for a user name.

/// A name as it is written, and in plain Latin letters.
pub type Name = (&'static str, &'static str);

/// The names of a language.
#[derive(Clone, Copy, Default)]
pub struct Language {
    /// Its tag (RFC 5646).
    pub tag: &'static str,
    /// Whether the family name stands first.
    pub family_first: bool,
    pub given: &'static [Name],
    pub family: &'static [Name],
}

/// Where the companies' people come from.
pub const LANGUAGES: [Language; 14] = [
    Language {
        tag: "en",
        family_first: false,
        given: &[
            ("Ada", "ada"),
            ("Grace", "grace"),
            ("Oliver", "oliver"),
            ("Siobhán", "siobhan"),
            ("George", "george"),
            ("Maeve", "maeve"),
        ],
        family: &[
            ("Lovelace", "lovelace"),
            ("O'Brien", "obrien"),
            ("Smith-Jones", "smithjones"),
            ("Hopper", "hopper"),
            ("Llywelyn", "llywelyn"),
            ("Wright", "wright"),
        ],
    },
    Language {
        tag: "de",
        family_first: false,
        given: &[
            ("Jürgen", "juergen"),
            ("Käthe", "kaethe"),
            ("Björn", "bjoern"),
            ("Lena", "lena"),
            ("Günther", "guenther"),
            ("Anneliese", "anneliese"),
        ],
        family: &[
            ("Müller", "mueller"),
            ("Weiß", "weiss"),
            ("Schröder", "schroeder"),
            ("von der Heide", "vonderheide"),
            ("Groß", "gross"),
            ("Böhm", "boehm"),
        ],
    },
    Language {
        tag: "fr",
        family_first: false,
        given: &[
            ("Zoé", "zoe"),
            ("François", "francois"),
            ("Éloïse", "eloise"),
            ("Benoît", "benoit"),
            ("Anaïs", "anais"),
            ("Loïc", "loic"),
        ],
        family: &[
            ("Lefèvre", "lefevre"),
            ("d'Aubigné", "daubigne"),
            ("Garçon", "garcon"),
            ("Bœuf", "boeuf"),
            ("Péché", "peche"),
            ("Moreau", "moreau"),
        ],
    },
    Language {
        tag: "es",
        family_first: false,
        given: &[
            ("Íñigo", "inigo"),
            ("María José", "mariajose"),
            ("Begoña", "begona"),
            ("Raúl", "raul"),
            ("Ximena", "ximena"),
            ("Jesús", "jesus"),
        ],
        family: &[
            ("García Márquez", "garcia"),
            ("Núñez", "nunez"),
            ("Peña", "pena"),
            ("Ibáñez", "ibanez"),
            ("Ortega y Gasset", "ortega"),
            ("Muñoz", "munoz"),
        ],
    },
    Language {
        tag: "pl",
        family_first: false,
        given: &[
            ("Łukasz", "lukasz"),
            ("Małgorzata", "malgorzata"),
            ("Żaneta", "zaneta"),
            ("Wojciech", "wojciech"),
            ("Bożena", "bozena"),
            ("Grzegorz", "grzegorz"),
        ],
        family: &[
            ("Brzęczyszczykiewicz", "brzeczyszczykiewicz"),
            ("Wójcik", "wojcik"),
            ("Skłodowska", "sklodowska"),
            ("Źródło", "zrodlo"),
            ("Dąbrowski", "dabrowski"),
            ("Zając", "zajac"),
        ],
    },
    Language {
        tag: "tr",
        family_first: false,
        given: &[
            ("İbrahim", "ibrahim"),
            ("Ayşe", "ayse"),
            ("Çağla", "cagla"),
            ("Işıl", "isil"),
            ("Uğur", "ugur"),
            ("Gökhan", "gokhan"),
        ],
        family: &[
            ("Yıldız", "yildiz"),
            ("Çelik", "celik"),
            ("Özdemir", "ozdemir"),
            ("Şahin", "sahin"),
            ("Güneş", "gunes"),
            ("Kılıç", "kilic"),
        ],
    },
    Language {
        tag: "el",
        family_first: false,
        given: &[
            ("Ελένη", "eleni"),
            ("Γιώργος", "giorgos"),
            ("Δήμητρα", "dimitra"),
            ("Ανδρέας", "andreas"),
            ("Χρυσούλα", "chrysoula"),
            ("Νίκος", "nikos"),
        ],
        family: &[
            ("Παπαδόπουλος", "papadopoulos"),
            ("Οικονόμου", "oikonomou"),
            ("Ξενάκης", "xenakis"),
            ("Αγγελής", "angelis"),
            ("Ψαρράς", "psarras"),
            ("Θεοδωράκης", "theodorakis"),
        ],
    },
    Language {
        tag: "uk",
        family_first: false,
        given: &[
            ("Оксана", "oksana"),
            ("Тарас", "taras"),
            ("Їванна", "yivanna"),
            ("Галина", "halyna"),
            ("Юрій", "yurii"),
            ("Любов", "liubov"),
        ],
        family: &[
            ("Шевченко", "shevchenko"),
            ("Коваленко", "kovalenko"),
            ("Щербак", "shcherbak"),
            ("Гнатюк", "hnatiuk"),
            ("Їжак", "yizhak"),
            ("Бондаренко", "bondarenko"),
        ],
    },
    Language {
        tag: "ar",
        family_first: false,
        given: &[
            ("محمد", "mohammed"),
            ("فاطمة", "fatima"),
            ("يوسف", "yusuf"),
            ("ليلى", "layla"),
            ("عمر", "omar"),
            ("نور", "nour"),
        ],
        family: &[
            ("الخوارزمي", "alkhwarizmi"),
            ("حداد", "haddad"),
            ("النجار", "alnajjar"),
            ("منصور", "mansour"),
            ("الحسن", "alhasan"),
            ("قاسم", "qasim"),
        ],
    },
    Language {
        tag: "he",
        family_first: false,
        given: &[
            ("נועה", "noa"),
            ("איתי", "itai"),
            ("שירה", "shira"),
            ("אורי", "uri"),
            ("תמר", "tamar"),
            ("דוד", "david"),
        ],
        family: &[
            ("כהן", "cohen"),
            ("לוי", "levi"),
            ("בן־דוד", "bendavid"),
            ("אברהם", "avraham"),
            ("שפירא", "shapira"),
            ("מזרחי", "mizrahi"),
        ],
    },
    Language {
        tag: "hi",
        family_first: false,
        given: &[
            ("आरव", "aarav"),
            ("प्रिया", "priya"),
            ("कृष्ण", "krishna"),
            ("अनन्या", "ananya"),
            ("रोहन", "rohan"),
            ("मीरा", "meera"),
        ],
        family: &[
            ("शर्मा", "sharma"),
            ("सिंह", "singh"),
            ("गुप्ता", "gupta"),
            ("चट्टोपाध्याय", "chattopadhyay"),
            ("वर्मा", "verma"),
            ("अय्यर", "iyer"),
        ],
    },
    Language {
        tag: "zh",
        family_first: true,
        given: &[
            ("秀英", "xiuying"),
            ("伟", "wei"),
            ("𠮷安", "jian"),
            ("丽娜", "lina"),
            ("国强", "guoqiang"),
            ("芳", "fang"),
        ],
        family: &[("王", "wang"), ("李", "li"), ("欧阳", "ouyang"), ("張", "zhang"), ("诸葛", "zhuge"), ("陈", "chen")],
    },
    Language {
        tag: "ja",
        family_first: true,
        given: &[
            ("さくら", "sakura"),
            ("健太", "kenta"),
            ("美咲", "misaki"),
            ("ジュン", "jun"),
            ("優子", "yuko"),
            ("蓮", "ren"),
        ],
        family: &[
            ("髙橋", "takahashi"),
            ("渡邊", "watanabe"),
            ("佐藤", "sato"),
            ("斎藤", "saito"),
            ("鈴木", "suzuki"),
            ("田中", "tanaka"),
        ],
    },
    Language {
        tag: "ko",
        family_first: true,
        given: &[
            ("민준", "minjun"),
            ("서연", "seoyeon"),
            ("지훈", "jihun"),
            ("하은", "haeun"),
            ("현우", "hyeonu"),
            ("수빈", "subin"),
        ],
        family: &[
            ("김", "kim"),
            ("이", "lee"),
            ("박", "park"),
            ("최", "choi"),
            ("남궁", "namgung"),
            ("황보", "hwangbo"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_plain_latin_letters_for_its_user_name() {
        for language in LANGUAGES {
            for (written, latin) in language.given.iter().chain(language.family) {
                assert!(!written.is_empty() && !latin.is_empty());
                assert!(latin.bytes().all(|octet| octet.is_ascii_lowercase()), "{written}: {latin}");
            }
        }
    }
}
