/// What every engine is asked, so that one that plans, computes or counts otherwise shows.
///
/// A change of any of this changes the fingerprint of every engine, as a change of the protocol
/// does: subnets that are there would have to accept all their engines anew.
extension EngineProbe {
  /// Tables as pipelines have them, and rows with nulls and ties.
  static let ground = [
    """
    CREATE TABLE people(id INTEGER NOT NULL, name TEXT NOT NULL, town TEXT, born INTEGER,
      PRIMARY KEY(id)) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX people_i1 ON people(town, born)",
    """
    CREATE TABLE orders(day INTEGER NOT NULL, number INTEGER NOT NULL, person INTEGER,
      amount INTEGER NOT NULL, note TEXT, PRIMARY KEY(day, number)) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX orders_i1 ON orders(person)",
    """
    CREATE TABLE items(day INTEGER NOT NULL, number INTEGER NOT NULL, line INTEGER NOT NULL,
      product TEXT NOT NULL, quantity INTEGER, PRIMARY KEY(day, number, line))
      STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE products(code TEXT NOT NULL, price INTEGER, facts TEXT, PRIMARY KEY(code DESC))
      STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE links(parent INTEGER, child INTEGER NOT NULL, PRIMARY KEY(child)) STRICT, "
      + "WITHOUT ROWID",
    "CREATE VIEW large AS SELECT day, number, person, amount FROM orders WHERE amount > 500",
    """
    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 40)
    INSERT INTO people SELECT i, 'name' || (i * 7 % 23),
      CASE WHEN i % 5 = 0 THEN NULL ELSE 'town' || (i % 6) END,
      CASE WHEN i % 11 = 0 THEN NULL ELSE 1950 + i * 13 % 50 END FROM n
    """,
    """
    WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 89)
    INSERT INTO orders SELECT i / 9, i % 9, CASE WHEN i % 8 = 3 THEN NULL ELSE i * 17 % 50 END,
      i * 397 % 1000, CASE i % 4 WHEN 0 THEN 'gift' WHEN 1 THEN 'Ärger, straße' WHEN 2 THEN '' END
      FROM n
    """,
    """
    WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 199)
    INSERT INTO items SELECT i / 2 / 9, i / 2 % 9, i % 2, 'p' || (i * 5 % 13),
      CASE WHEN i % 7 = 0 THEN NULL ELSE i * 29 % 12 END FROM n
    """,
    """
    WITH RECURSIVE n(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM n WHERE i < 11)
    INSERT INTO products SELECT 'p' || i, CASE WHEN i % 6 = 5 THEN NULL ELSE i * 31 % 70 END,
      '{"color":"c' || (i % 3) || '","sizes":[' || i || ',' || (i + 2) || '],"of":{"x":null}}'
      FROM n
    """,
    """
    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 30)
    INSERT INTO links SELECT CASE WHEN i = 1 THEN NULL ELSE i / 2 END, i FROM n
    """,
  ]

  /// What has an answer.
  static let answered = joins + searches + groups + compounds + windows + recursions + values

  /// Joins whose order and indexes the planner chooses.
  private static let joins = [
    "SELECT p.name, o.amount FROM orders o JOIN people p ON p.id = o.person "
      + "WHERE p.town = 'town2' ORDER BY o.day, o.number",
    "SELECT p.name, i.product, i.quantity FROM items i, orders o, people p WHERE i.day = o.day "
      + "AND i.number = o.number AND o.person = p.id AND i.quantity > 5 ORDER BY 1, 2, 3",
    "SELECT r.code, p.id, i.line FROM people p, products r, items i, orders o "
      + "WHERE r.code = i.product AND o.day = i.day AND o.number = i.number AND p.id = o.person "
      + "AND r.price > 20 AND p.born < 1980 ORDER BY 1, 2, 3, o.day",
    "SELECT p.id, o.number FROM people p LEFT JOIN orders o ON o.person = p.id "
      + "AND o.amount > 900 ORDER BY 1, 2",
    "SELECT p.id FROM people p LEFT JOIN orders o ON o.person = p.id WHERE o.day IS NULL "
      + "ORDER BY 1",
    "SELECT p.id, o.day, o.number FROM orders o RIGHT JOIN people p ON p.id = o.person "
      + "WHERE p.id < 9 ORDER BY 1, 2, 3",
    "SELECT p.id, l.child FROM people p FULL JOIN links l ON l.child = p.id + 20 ORDER BY 1, 2",
    "SELECT a.id, b.id FROM people a JOIN people b ON a.town = b.town AND a.id < b.id "
      + "WHERE a.born > 1970 ORDER BY 1, 2",
    "SELECT a.day, a.number, b.line FROM orders a JOIN items b ON b.quantity = a.amount % 12 "
      + "WHERE a.day = 3 ORDER BY 1, 2, 3, b.day, b.number",
    "SELECT a.code, b.code FROM products a CROSS JOIN products b WHERE a.price > b.price "
      + "ORDER BY a.price, b.price, 1, 2",
    "SELECT l.person, r.price FROM large l JOIN items i USING(day, number) "
      + "JOIN products r ON r.code = i.product ORDER BY l.day, l.number, i.line",
  ]

  private static let searches = [
    "SELECT id FROM people WHERE town = 'town1' OR born = 1963 OR id = 40 ORDER BY id",
    "SELECT id FROM people WHERE town IN ('town1', 'town4') AND born BETWEEN 1955 AND 1985 "
      + "ORDER BY id",
    "SELECT day, number FROM orders WHERE (day, number) > (7, 4) AND day <> 8 ORDER BY 1, 2",
    "SELECT id FROM people WHERE id IN (SELECT person FROM orders WHERE amount > 800) ORDER BY 1",
    "SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders WHERE person IS NOT NULL) "
      + "ORDER BY 1",
    "SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id "
      + "AND o.note = 'gift') ORDER BY 1",
    "SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o JOIN items i "
      + "USING(day, number) WHERE o.person = p.id AND i.quantity > 8) ORDER BY 1",
    "SELECT id, (SELECT max(o.amount) FROM orders o WHERE o.person = p.id) FROM people p "
      + "ORDER BY 2 DESC, 1",
    "SELECT day, number FROM orders WHERE (day, number) IN (SELECT day, number FROM items "
      + "WHERE quantity IS NULL) ORDER BY 1, 2",
    "SELECT id, born FROM people ORDER BY born DESC NULLS LAST, id LIMIT 7 OFFSET 5",
    "SELECT town, born, id FROM people WHERE town > 'town2' ORDER BY town, born, id LIMIT 9",
    "SELECT max(born), min(town) FROM people",
    "SELECT max(day) FROM orders WHERE day < 6",
  ]

  private static let groups = [
    "SELECT count(*) FROM people",
    "SELECT town, count(*), count(born), min(born), max(name) FROM people GROUP BY town "
      + "ORDER BY town",
    "SELECT amount / 100, sum(amount), count(DISTINCT person) FROM orders GROUP BY amount / 100 "
      + "HAVING count(*) > 8 ORDER BY 1 DESC",
    "SELECT o.note, p.town, sum(o.amount) FROM orders o JOIN people p ON p.id = o.person "
      + "GROUP BY o.note, p.town ORDER BY 3 DESC, 1, 2 LIMIT 12",
    "SELECT DISTINCT town, born IS NULL FROM people ORDER BY 1, 2",
    "SELECT DISTINCT product FROM items WHERE quantity > 3 ORDER BY product DESC",
    "SELECT sum(amount) FILTER (WHERE note = 'gift'), sum(amount) FROM orders WHERE day > 99",
  ]

  private static let compounds = [
    "SELECT day FROM orders WHERE amount > 700 UNION SELECT born - 1950 FROM people ORDER BY 1",
    "SELECT id, 'p' FROM people WHERE id < 4 UNION ALL SELECT child, 'l' FROM links "
      + "WHERE child < 4 ORDER BY 2, 1 DESC LIMIT 5",
    "SELECT id FROM people INTERSECT SELECT person FROM orders ORDER BY 1",
    "SELECT id FROM people EXCEPT SELECT person FROM orders WHERE amount < 600 ORDER BY 1",
    "WITH t AS MATERIALIZED (SELECT person, sum(amount) AS s FROM orders GROUP BY person) "
      + "SELECT a.person, b.person FROM t a JOIN t b ON a.s < b.s WHERE a.person = 17 "
      + "ORDER BY 2",
    "SELECT x, y FROM (SELECT day AS x, max(amount) AS y FROM orders GROUP BY day) WHERE x % 2 = 1 "
      + "AND y > 100 ORDER BY y",
    "VALUES (1, 'a'), (2, NULL), (3, X'00ff')",
  ]

  private static let windows = [
    "SELECT id, row_number() OVER (ORDER BY born, id), rank() OVER (ORDER BY born), "
      + "dense_rank() OVER (ORDER BY born) FROM people ORDER BY id",
    "SELECT id, ntile(7) OVER (PARTITION BY town ORDER BY id) FROM people ORDER BY id",
    "SELECT day, number, lag(amount) OVER w, lead(amount, 2, -1) OVER w, first_value(amount) "
      + "OVER w, last_value(amount) OVER w, nth_value(amount, 3) OVER w FROM orders "
      + "WINDOW w AS (PARTITION BY day ORDER BY number) ORDER BY 1, 2",
    "SELECT day, number, sum(amount) OVER (ORDER BY day, number ROWS BETWEEN 2 PRECEDING "
      + "AND 1 FOLLOWING) FROM orders ORDER BY 1, 2",
    "SELECT day, number, sum(amount) OVER (ORDER BY day RANGE BETWEEN 1 PRECEDING "
      + "AND CURRENT ROW) FROM orders ORDER BY 1, 2",
    "SELECT day, number, min(amount) OVER (ORDER BY day GROUPS BETWEEN 1 PRECEDING "
      + "AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders ORDER BY 1, 2",
    "SELECT id, count(*) FILTER (WHERE born > 1970) OVER (PARTITION BY town) FROM people "
      + "ORDER BY 1",
    "SELECT * FROM (SELECT person, amount, row_number() OVER (PARTITION BY person ORDER BY amount "
      + "DESC, day, number) AS place FROM orders) WHERE place <= 2 ORDER BY person, place",
  ]

  private static let recursions = [
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
      + "SELECT count(*), sum(i), max(i) FROM n",
    "WITH RECURSIVE tree(id, depth, path) AS (SELECT child, 0, '1' FROM links WHERE parent IS NULL "
      + "UNION ALL SELECT l.child, t.depth + 1, t.path || '/' || l.child FROM links l "
      + "JOIN tree t ON l.parent = t.id) SELECT * FROM tree ORDER BY path",
    "WITH RECURSIVE up(id) AS (VALUES(29) UNION SELECT l.parent FROM links l JOIN up "
      + "ON l.child = up.id WHERE l.parent IS NOT NULL) SELECT id FROM up ORDER BY id",
    "WITH RECURSIVE n(i) AS (VALUES(0) UNION SELECT (i + 7) % 30 FROM n) SELECT i FROM n "
      + "ORDER BY i",
  ]

  /// Functions, casts, comparisons and JSON.
  private static let values = [
    "SELECT 7 / 2, -7 / 2, 7 % -3, -7 % 3, 7 / 0, 1 << 62, -1 >> 3, ~5, 6 & 3, 6 | 3, NOT 4",
    "SELECT typeof(9223372036854775807 + 1), 9223372036854775807 + 1, -(-9223372036854775807 - 1)",
    "SELECT CAST('12x' AS INTEGER), CAST('9223372036854775808' AS INTEGER), CAST(-12 AS TEXT), "
      + "CAST('ab' AS BLOB), CAST(X'6162' AS TEXT), CAST('' AS INTEGER), CAST(' 7' AS INTEGER)",
    "SELECT 1 < '1', X'31' > '1', NULL IS NULL, NULL = 1, 'a' < 'B', 'ä' > 'z', 2 IS NOT '2'",
    "SELECT CASE WHEN NULL THEN 1 ELSE 2 END, coalesce(NULL, 3), nullif(2, 2), iif(1, 'y', 'n'), "
      + "ifnull(NULL, 'i'), abs(-4), min(3, 1, 2), max('a', 'b')",
    "SELECT note, upper(note), lower(note), length(note), substr(note, -3), substr(note, 2, 2), "
      + "hex(note), unicode(note), instr(note, 'r'), replace(note, 'g', 'GG') FROM orders "
      + "WHERE day = 4 ORDER BY number",
    "SELECT trim('  a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), char(228, 8364, 128512), "
      + "length(X'000102'), length('\u{1F600}ä')",
    "SELECT id, name FROM people WHERE name LIKE 'NAME1_' ORDER BY id",
    "SELECT id FROM people WHERE name GLOB 'name[12]?' AND name NOT LIKE '%9' ORDER BY id",
    "SELECT 'a%b' LIKE 'a\\%b' ESCAPE '\\', 'Ä' LIKE 'ä', 'abc' GLOB '*[^a-b]'",
    "SELECT code, json_extract(facts, '$.color'), facts ->> '$.sizes[1]', facts -> 'of', "
      + "json_type(facts, '$.of.x'), json_array_length(facts, '$.sizes'), json_valid(facts) "
      + "FROM products ORDER BY code",
    "SELECT r.code, e.key, e.value, e.type FROM products r, json_each(r.facts, '$.sizes') e "
      + "WHERE e.value > 4 ORDER BY 1, 2",
    "SELECT t.fullkey, t.type, t.atom FROM products r, json_tree(r.facts) t WHERE r.code = 'p3' "
      + "ORDER BY 1",
    "SELECT json_array(1, NULL, 'ä'), json_object('a', 1, 'b', '\"'), json_valid('{'), "
      + "json_extract('[1,2.5,\"x\"]', '$[1]')",
  ]

  /// What fails, each for a reason of its own.
  static let failing = [
    "SELECT abs(-9223372036854775807 - 1)",
    "SELECT sum(9223372036854775807 - day) FROM orders",
    "SELECT id, json_extract(name, '$.a') FROM people ORDER BY id",
    "SELECT json_extract('{}', 'a[')",
    "SELECT length(name) FROM people WHERE id = 1 AND name LIKE 'a' ESCAPE 'bc'",
  ]

  /// Texts whose form the decoder of batches judges, which hangs on a version of Unicode.
  static let forms = composed + decomposed + recent

  /// In form NFC (UAX #15) by every version.
  static let composed = [
    "\u{e9}", "\u{1e69}", "\u{ac01}", "\u{1100}", "q\u{316}\u{301}", "\u{915}\u{93c}",
    "\u{6771}\u{4eac}", "q\u{301}", "\u{1f600}", "\u{1109a}",
  ]

  /// Not in form NFC: pairs, Hangul, marks out of order, exclusions, singletons.
  static let decomposed = [
    "e\u{301}", "s\u{323}\u{307}", "\u{1100}\u{1161}", "\u{ac00}\u{11a8}", "q\u{301}\u{316}",
    "\u{958}", "\u{2adc}", "\u{fb1d}", "\u{1d15e}", "\u{2126}", "\u{212b}", "\u{344}",
    "\u{f900}", "\u{2fa1d}", "\u{11099}\u{110ba}",
  ]

  /// Marks and pairs that came with the versions since 11, each in an order or a form that the
  /// version changes: an older table takes it for composed.
  static let recent = [
    // 11 and 12.
    "\u{10d24}\u{323}", "\u{1e130}\u{323}",
    // 13: below, and a pair.
    "q\u{301}\u{1abf}", "q\u{301}\u{1ac0}", "\u{11935}\u{11930}",
    // 14 and 15.
    "q\u{1ac5}\u{323}", "q\u{1acb}\u{323}", "q\u{301}\u{10f83}", "q\u{10f82}\u{323}",
    "q\u{301}\u{10efd}", "q\u{1e08f}\u{323}",
    // 16: marks, and pairs of Tulu-Tigalari, Kirat Rai and Gurung Khema.
    "q\u{10d69}\u{323}", "q\u{301}\u{1e5ef}", "\u{11382}\u{113c9}", "\u{16d67}\u{16d67}",
    "\u{1611e}\u{1611e}",
    // 17.
    "q\u{1acf}\u{323}", "q\u{1add}\u{323}",
  ]
}
