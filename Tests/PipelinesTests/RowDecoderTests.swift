import Pipelines
import Testing
import Wire

@Suite struct `A batch of CSV` {
  @Test func `gives typed values, nulls for empty fields, and fields by the header's names`() throws
  {
    let batch = try Contracts.decode("booked,id,amount,side\r\n2026-01-31,a,12.5,IN\r\n,b,-3,\n")
    #expect(batch.rejected.isEmpty)
    #expect(batch.row(0) == [.text("a"), .integer(1_250), .integer(20_484), .text("IN")])
    #expect(batch.row(1) == [.text("b"), .integer(-300), .null, .null])
    #expect(batch.rowNumbers == [1, 2])
  }

  @Test func `keeps delimiters, quotes and line feeds inside of quotes`() throws {
    let source = Contracts.one(.text)
    let batch = try Contracts.decode(
      "x\n\"a,b\"\n\"say \"\"hi\"\"\"\n\"two\nlines\"\n\"\"\n\n", source)
    #expect(
      (0..<5).map { batch.value(row: $0, column: 0) } == [
        .text("a,b"), .text("say \"hi\""), .text("two\nlines"), .text(""), .null,
      ])
  }

  @Test func `quarantines a row with every reason and its fields as they came`() throws {
    let batch = try Contracts.decode("id,amount,booked,side\na,1,,IN\nlonger than 8,x,,UP\nb,2,,\n")
    #expect(batch.rowNumbers == [1, 3])
    #expect(batch.row(1) == [.text("b"), .integer(200), .null, .null])
    let rejected = try #require(batch.rejected.first)
    #expect(rejected.row == 2)
    #expect(rejected.kept.fields == ["longer than 8", "x", nil, "UP"])
    #expect(rejected.reasons.map(\.rule) == ["max_bytes", "type", "accepted_values"])
    #expect(
      rejected.errors == """
        id: 13 bytes; at most 8 are allowed; \
        amount: "x" is no decimal number such as -12.50 (QD23); \
        side: "UP" is none of IN, OUT
        """)
  }

  @Test func `takes the default of a missing field and demands required ones`() throws {
    var source = Contracts.payments
    source.columns[3].defaultText = "OUT"
    let batch = try Contracts.decode("id,amount\na,1\n,2\n", source)
    #expect(batch.row(0) == [.text("a"), .integer(100), .null, .text("OUT")])
    #expect(batch.rejected.map(\.errors) == ["id: a value is required"])
  }

  @Test func `captures unknown fields as canonical JSON, or leaves them out`() throws {
    var source = Contracts.one(.int)
    let text = "z,x,a\n1,5,\"q\"\"\"\n"
    source.unknownFields = .capture
    let batch = try Contracts.decode(text, source)
    #expect(batch.row(0) == [.integer(5), .text(#"{"a":"q\"","z":"1"}"#)])
    source.unknownFields = .ignore
    #expect(try Contracts.decode(text, source).row(0) == [.integer(5)])
  }

  @Test(arguments: [
    ("id,amount\na,1\n\"b,2\n", "CSV_QUOTES", "line 3: a quote that is never closed"),
    ("id,amount\na\"b,1\n", "CSV_QUOTES", "line 2: a quote inside of a field"),
    ("id,amount\n\"a\"b,1\n", "CSV_QUOTES", "line 2: text after the closing quote"),
    ("id,amount\na,1\rb,2\n", "CSV_QUOTES", "line 2: a carriage return without a line feed"),
    ("id,amount\na,1\nb\n", "CSV_COLUMNS", "line 3, row 2: 1 field, but the header has 2"),
    ("id,amount\na,1,2\n", "CSV_COLUMNS", "line 2, row 1: 3 fields"),
    ("id,amuont\na,1\n", "CSV_HEADER", "no column reads the field \"amuont\""),
    ("id,id,amount\n", "CSV_HEADER", "the field \"id\" stands twice"),
    ("id\na\n", "CSV_HEADER", "the field \"amount\", which is required, is missing"),
    (
      "id;amount\na;1\n", "CSV_HEADER",
      "\";\" stands between the names of the header, and the contract says \",\": write csv: "
        + "{ delimiter: \";\" } into the YAML of payments"
    ),
    ("id\tamount\na\t1\n", "CSV_HEADER", "write csv: { delimiter: \"\\t\" } into"),
    ("no;such\na;1\n", "CSV_HEADER", "no column reads the field \"no;such\""),
    ("id,amount\na\0,1\n", "NUL_BYTE", "line 2: a NUL byte"),
    ("", "EMPTY_BATCH", "the batch has no bytes"),
    ("id,amount\n\na\n", "CSV_COLUMNS", "line 3, row 1: 1 field, but the header has 2"),
  ])
  func `is refused whole when it is malformed`(text: String, code: String, message: String) throws {
    #expect(try Contracts.decode("id,amount\na,1\n").rowCount == 1)
    let refusal = #expect(throws: Refusal.self) { try Contracts.decode(text) }
    #expect(refusal?.code == code)
    #expect(refusal?.message.contains(message) == true, "\(refusal?.message ?? "")")
  }

  @Test func `may have empty lines, which are no rows`() throws {
    let plain = try Contracts.decode("id,amount\na,1\nb,much\nc,3\n")
    let spaced = try Contracts.decode("id,amount\n\na,1\n\r\n\nb,much\nc,3\n\n\r\n")
    #expect(spaced.rowNumbers == [1, 3] && plain.rowNumbers == [1, 3])
    #expect(spaced.rejected == plain.rejected)
    #expect((0..<2).map { spaced.row($0) } == (0..<2).map { plain.row($0) })
    // Of one column an empty line is an empty field, which is null here.
    let needed = try Contracts.decode("x\na\n\n", Contracts.one(.text) { $0.required = true })
    #expect(needed.rejected.map(\.errors) == ["x: an empty line"])
    #expect(try Contracts.decode("x\na\n\n", Contracts.one(.text)).rowCount == 2)
  }

  @Test func `is refused when it is not UTF-8, with the line`() throws {
    let decoder = try RowDecoder(source: Contracts.one(.text), defaults: Defaults())
    let bytes = Array("x\nä\n".utf8)
    #expect(try decoder.decode(bytes, format: .csv).rowCount == 1)
    let refusal = #expect(throws: Refusal.self) {
      try decoder.decode(bytes + [0xe4, 0x0a], format: .csv)
    }
    #expect(refusal?.code == "UTF8")
    #expect(refusal?.message.hasPrefix("line 3: ") == true)
  }

  @Test func `is refused over its rows, its bytes, or in another format`() throws {
    var defaults = Defaults()
    defaults.batchRowsMax = 2
    let source = Contracts.one(.int)
    #expect(try Contracts.decode("x\n1\n2\n", source, defaults: defaults).rowCount == 2)
    let rows = #expect(throws: Refusal.self) {
      try Contracts.decode("x\n1\n2\n3\n", source, defaults: defaults)
    }
    #expect(rows?.code == "BATCH_ROWS")
    defaults.batchBytesMax = 5
    let bytes = #expect(throws: Refusal.self) {
      try Contracts.decode("x\n1\n2\n", source, defaults: defaults)
    }
    #expect(bytes?.code == "BATCH_BYTES")
    var csvOnly = source
    csvOnly.formats = [.csv]
    let format = #expect(throws: Refusal.self) {
      try Contracts.decode("{}", csvOnly, format: .ndjson)
    }
    #expect(format?.message == "s takes csv, not ndjson")
  }
}

@Suite struct `A batch of NDJSON` {
  @Test func `gives the same rows as CSV`() throws {
    let csv = try Contracts.decode("id,amount,booked,side\na,12.5,2026-01-31,IN\nb,-3,,\n")
    let json = try Contracts.decode(
      """
      {"id":"a","amount":12.5,"booked":"2026-01-31","side":"IN"}
       { "side" : null , "amount" : "-3" , "id" : "\\u0062" }\r
      """, format: .ndjson)
    #expect(json.rejected.isEmpty)
    #expect((0..<2).map { json.row($0) } == (0..<2).map { csv.row($0) })
  }

  @Test func `may have empty lines, which are no rows`() throws {
    let good = #"{"id":"a","amount":1}"#
    let text = "\n\(good)\r\n\r\n\n\(good.replacing("a\"", with: "b\""))\n\n"
    let batch = try Contracts.decode(text, format: .ndjson)
    #expect(batch.rowNumbers == [1, 2])
    let late = #expect(throws: Refusal.self) {
      try Contracts.decode("\(good)\n\n[1]\n", format: .ndjson)
    }
    #expect(late?.message.hasPrefix("line 3, byte 1: ") == true, "\(late?.message ?? "")")
    let none = #expect(throws: Refusal.self) { try Contracts.decode("\n\r\n", format: .ndjson) }
    #expect(none?.code == "EMPTY_BATCH")
  }

  @Test func `quarantines kinds that do not suit, unknown keys and numbers with exponents`() throws
  {
    let batch = try Contracts.decode(
      """
      {"id":7,"amount":1}
      {"id":"a","amount":1e2}
      {"id":"b","amount":true}
      {"id":"c","amount":1,"extra":{"k":[1,2]}}
      """, format: .ndjson)
    #expect(batch.rowCount == 0)
    #expect(
      batch.rejected.map(\.errors) == [
        "id: \"7\" is a JSON number; write text as a string (QD23)",
        "amount: \"1e2\" is no decimal number such as -12.50 (QD23)",
        "amount: \"true\" is a JSON boolean; write decimal(6,2) as a string, or a number without "
          + "exponent (QD23)",
        "no column reads the field \"extra\"",
      ])
    #expect(batch.rejected[0].kept.fields == ["7", "1", nil, nil])
    #expect(batch.rejected[0].kept.captured == #"{"id":7}"#)
    #expect(batch.rejected[3].kept.captured == #"{"extra":{"k":[1,2]}}"#)
  }

  @Test(arguments: [
    (#"{"id":"a","amount":1} x"#, "text follows the object"),
    (#"{"id":"a","id":"b","amount":1}"#, "the key \"id\" stands twice"),
    (#"{"q":1,"q":2,"id":"a","amount":1}"#, "the key \"q\" stands twice"),
    (#"{"id":"a","amount":01}"#, "a number does not begin with 0"),
    (#"{"id":"a","amount":NaN}"#, "expected a value"),
    (#"{"id":"a","amount":1,}"#, "expected a string"),
    (#"{"id":"a\u0000","amount":1}"#, "the character U+0000"),
    (#"{"id":"\ud800","amount":1}"#, "half of a surrogate pair"),
    (#"{"id":"a"#, "a string is not closed"),
    ("[1]", "expected a JSON object"),
    (" ", "expected a JSON object"),
  ])
  func `is refused whole when a line is no strict JSON`(line: String, message: String) throws {
    let good = #"{"id":"ok","amount":1}"#
    #expect(
      try Contracts.decode(good + "\n" + good.replacing("ok", with: "b"), format: .ndjson).rowCount
        == 2)
    let refusal = #expect(throws: Refusal.self) {
      try Contracts.decode("\(good)\n\(line)\n", format: .ndjson)
    }
    #expect(refusal?.code == "JSON_SYNTAX")
    #expect(refusal?.message.hasPrefix("line 2, byte ") == true)
    #expect(refusal?.message.contains(message) == true, "\(refusal?.message ?? "")")
  }

  @Test func `is refused when it nests without end`() {
    let deep = String(repeating: "[", count: 100_000)
    let refusal = #expect(throws: Refusal.self) {
      try Contracts.decode("{\"id\":\(deep)", format: .ndjson)
    }
    #expect(refusal?.message.contains("nested deeper than 32") == true)
  }
}

@Suite struct `A field` {
  @Test(arguments: [
    (ColumnType.int, ParseRule.standard, "-9223372036854775808", StoredValue.integer(.min)),
    (.int, .standard, "007", .integer(7)),
    (.decimal(precision: 18, scale: 2), .standard, "-0.05", .integer(-5)),
    (
      .decimal(precision: 18, scale: 0), .standard, "999999999999999999",
      .integer(999_999_999_999_999_999)
    ),
    (.decimal(precision: 4, scale: 2), .standard, "0000012.3", .integer(1_230)),
    (.date, .standard, "1969-12-31", .integer(-1)),
    (.date, .standard, "2024-02-29", .integer(19_782)),
    (.date, .yymmdd, "930101", .integer(8_401)),
    (.date, .yymmdd, "690101", .integer(36_160)),
    (.date, .yymmdd, "700101", .integer(0)),
    (.date, .yymmddTime, "930711 00:00:00", .integer(8_592)),
    (.date, .ddmmyyyy, "31012026", .integer(20_484)),
    (.date, .yyyymmdd, "20260131", .integer(20_484)),
    (.timestamp, .standard, "1970-01-01T00:00:01Z", .integer(1_000)),
    (.timestamp, .standard, "1970-01-01 01:00:00.5+01:00", .integer(500)),
    (.timestamp, .epochSeconds, "12", .integer(12_000)),
    (.timestamp, .epochMilliseconds, "-12", .integer(-12)),
    (.timestamp, .yymmddTime, "700102 00:00:01", .integer(86_401_000)),
    (.bool, .standard, "true", .integer(1)),
    (.bool, .standard, "0", .integer(0)),
    (
      .uuid, .standard, "123E4567-e89b-12d3-a456-426614174000",
      .text("123e4567-e89b-12d3-a456-426614174000")
    ),
    (.bytes, .standard, "0x00fF", .blob([0, 255])),
    (.bytes, .standard, "0x", .blob([])),
    (.bytes, .base64, "AP8=", .blob([0, 255])),
    // Base64 that looks like the standard spelling.
    (.bytes, .base64, "0xab", .blob([0xd3, 0x16, 0x9b])),
    (.bytes, .base64, "0xQz", .blob([0xd3, 0x14, 0x33])),
    (.bytes, .hex, "00fF", .blob([0, 255])),
    (.json, .standard, #" {"b": [1, "\u00e4"], "a" : null} "#, .text(#"{"a":null,"b":[1,"ä"]}"#)),
    (.text, .standard, "Zürich 東京", .text("Zürich 東京")),
  ])
  func `is read as its type stores it`(
    type: ColumnType, parse: ParseRule, text: String, value: StoredValue
  ) throws {
    #expect(try Contracts.value(text, Contracts.one(type, parse: parse)) == .success(value))
  }

  @Test(arguments: [
    (ColumnType.int, ParseRule.standard, "9223372036854775808", "does not fit 64 bits"),
    (.int, .standard, "1.0", "\"1.0\" is no integer"),
    (.int, .standard, " 1", "is no integer"),
    (.int, .standard, "-", "is no integer"),
    (
      .decimal(precision: 18, scale: 2), .standard, "12.345",
      "\"12.345\" has 3 digits after the point; decimal(18,2) has 2"
    ),
    (.decimal(precision: 4, scale: 2), .standard, "123", "decimal(4,2) has 2 before the point"),
    (.decimal(precision: 18, scale: 0), .standard, "1000000000000000000", "too many digits"),
    (.decimal(precision: 18, scale: 2), .standard, ".5", "is no decimal number"),
    (.decimal(precision: 18, scale: 2), .standard, "5.", "is no decimal number"),
    (.decimal(precision: 18, scale: 2), .standard, "1e3", "is no decimal number"),
    (.date, .standard, "2026-02-29", "is no date such as 2026-01-31"),
    (.date, .standard, "26-01-31", "is no date"),
    (.date, .yymmdd, "931301", "is no date of the form yymmdd"),
    (.date, .yymmddTime, "930711 10:00:00", "is no date of the form yymmdd hh:mm:ss"),
    (.timestamp, .standard, "2026-01-31T10:00:00", "is no timestamp such as"),
    (.timestamp, .standard, "2026-01-31T10:00:00.1234Z", "is no timestamp such as"),
    (.timestamp, .standard, "2026-01-31T24:00:00Z", "is no timestamp such as"),
    (.timestamp, .epochSeconds, "99999999999999", "is no timestamp in whole seconds"),
    (.bool, .standard, "TRUE", "is none of true, false, 1, 0"),
    (.uuid, .standard, "123e4567e89b12d3a456426614174000", "is no UUID"),
    (.bytes, .standard, "AP8=", "is no 0x with hexadecimal digits such as 0x00ff"),
    (.bytes, .standard, "0xQz", "is no 0x with hexadecimal digits such as 0x00ff"),
    (.bytes, .base64, "AP9=", "is no padded base64 such as AP8="),
    (.bytes, .base64, "0xabc", "is no padded base64 such as AP8="),
    (.bytes, .hex, "0x00ff", "is no hexadecimal digits such as 00ff"),
    (.bytes, .hex, "AP8=", "is no hexadecimal digits such as 00ff"),
    (
      .json, .standard, "[99999999999999999999]",
      "\"99999999999999999999\" is no integer of 64 bits; write it as a string"
    ),
    (.json, .standard, "{\"a\":1.5}", "\"1.5\" is no integer of 64 bits; write it as a string"),
    (.json, .standard, "{\"a\":1,\"a\":2}", "the key a stands twice"),
    (.text, .standard, "e\u{301}", "is not in Unicode form NFC"),
    (.text, .standard, "\u{ac00}\u{11a8}", "is not in Unicode form NFC"),
    (.text, .standard, "\u{1100}\u{1161}\u{11a8}", "is not in Unicode form NFC"),
  ])
  func `is refused when it is not of its type`(
    type: ColumnType, parse: ParseRule, text: String, message: String
  ) throws {
    guard
      case .failure(let complaint) = try Contracts.value(text, Contracts.one(type, parse: parse))
    else { return #expect(Bool(false), "\(text) was taken") }
    #expect(complaint.text.contains(message), "\(complaint.text)")
  }

  @Test(arguments: [
    ("[A-Z][A-Z]", "GB", true), ("[A-Z][A-Z]", "gb", false), ("[A-Z][A-Z]", "GBR", false),
    ("[^0-9]*", "x9", true), ("[^0-9]*", "9x", false), ("a?c", "aéc", true), ("a?c", "ac", false),
    ("*.csv", "a.b.csv", true), ("*", "", true), ("[]x]", "]", true), ("[a-]", "-", true),
    ("*a*a*a*a*a*a*b", String(repeating: "a", count: 5_000), false),
  ])
  func `matches a GLOB as SQLite does`(pattern: String, text: String, matches: Bool) throws {
    #expect(try #require(Glob(pattern)).matches(text) == matches)
  }

  @Test func `is not matched where it is too long`() throws {
    let source = Contracts.one(.text) {
      $0.bytesMax = 4
      $0.matches = "[a-z]*"
    }
    guard case .failure(let long) = try Contracts.value("ABCDE", source),
      case .failure(let other) = try Contracts.value("ABCD", source)
    else { return #expect(Bool(false), "taken") }
    #expect(long.text.contains("5 bytes; at most 4 are allowed"), "\(long.text)")
    #expect(other.text.contains("does not match"), "\(other.text)")
  }

  @Test func `is written back as it was read`() throws {
    for (type, text) in [
      (ColumnType.decimal(precision: 18, scale: 2), "-0.05"), (.date, "0001-01-01"),
      (.date, "9999-12-31"), (.timestamp, "1969-12-31T23:59:59.999Z"), (.bool, "true"),
      (.int, "-7"), (.bytes, "0x00ff"), (.json, "{}"),
    ] {
      #expect(type.text(of: try type.value(of: text)) == text)
    }
  }

  @Test func `of every day from year 1 to 9999 is written and read as itself`() throws {
    for day in stride(from: Calendar.days.lowerBound, through: Calendar.days.upperBound, by: 97) {
      let text = try #require(ColumnType.date.text(of: .integer(day)))
      #expect(try ColumnType.date.value(of: text) == .integer(day))
    }
  }
}

@Suite struct `Emitted rows and arguments` {
  @Test func `pass the same contract as a batch`() throws {
    let decoder = try RowDecoder(source: Contracts.payments, defaults: Defaults())
    let batch = try decoder.admit(
      columns: ["amount", "id", "side"],
      rows: [
        [.integer(1_250), .text("a"), .text("IN")],
        [.integer(100_000_000), .text("b"), .null],
        [.text("12"), .text("c"), .text("UP")],
      ])
    #expect(batch.row(0) == [.text("a"), .integer(1_250), .null, .text("IN")])
    #expect(
      batch.rejected.map(\.errors) == [
        "amount: 100000000 is out of the range of decimal(6,2) (QD23)",
        "amount: a value of another kind than decimal(6,2) (QD23); "
          + "side: \"UP\" is none of IN, OUT",
      ])
    #expect(throws: Refusal.self) { try decoder.admit(columns: ["nope"], rows: []) }
  }

  @Test func `are read by name and type, and every mistake is named`() throws {
    let decoder = try ArgumentDecoder([
      Argument(name: "bank_id", type: .text), Argument(name: "from", type: .date),
    ])
    let good = #"{"from":"2026-01-31","bank_id":"B1"}"#
    #expect(try decoder.decode(Array(good.utf8)) == [.text("B1"), .integer(20_484)])
    #expect(
      try decoder.decode([("from", .text("2026-01-31")), ("bank_id", .text("B1"))])
        == [.text("B1"), .integer(20_484)])
    let refusal = #expect(throws: Refusal.self) {
      try decoder.decode(Array(#"{"from":"31.1.26","bnk":1}"#.utf8))
    }
    #expect(
      refusal?.message == """
        bank_id: missing; from: no date, which is written "2026-01-31" (QD23); \
        no argument is called "bnk"; it takes bank_id text, from date
        """)
  }

  private static let money = ColumnType.decimal(precision: 6, scale: 2)

  @Test(arguments: [
    (ColumnType.int, StoredValue.integer(5), StoredValue.integer(5)),
    (.int, .text("-5"), .integer(-5)),
    // A number counts wholes, whoever asks.
    (money, .integer(5), .integer(500)),
    (money, .text("5.25"), .integer(525)),
    (.date, .text("2026-01-31"), .integer(20_484)),
    (.timestamp, .text("1970-01-01T00:00:01Z"), .integer(1_000)),
    (.bool, .text("true"), .integer(1)),
    (
      .uuid, .text("123E4567-E89B-12D3-A456-426614174000"),
      .text("123e4567-e89b-12d3-a456-426614174000")
    ),
    (.bytes, .blob([0, 255]), .blob([0, 255])),
    (.text, .text("a \"quote\" \\ and more"), .text("a \"quote\" \\ and more")),
    (.date, .null, .null),
  ])
  func `are the same as values and in JSON`(
    type: ColumnType, given: StoredValue, stored: StoredValue
  ) throws {
    let decoder = try ArgumentDecoder([Argument(name: "a", type: type)])
    #expect(try decoder.decode([("a", given)]) == [stored])
  }

  @Test(arguments: [
    (money, StoredValue.integer(12_345)), (money, .text("1.234")), (.date, .integer(20_260_101)),
    (.timestamp, .integer(99_999_999_999_999_999)), (.timestamp, .text("99999999999999999")),
    (.uuid, .text("nonsense")), (.bool, .integer(7)), (.int, .text("seven")),
    (.text, .integer(123_456_789)), (.text, .text("e\u{301}123456789")),
  ])
  func `of another type are refused without a word of what was sent`(
    type: ColumnType, given: StoredValue
  ) throws {
    let decoder = try ArgumentDecoder([Argument(name: "ssn", type: type)])
    let refusal = #expect(throws: Refusal.self) { try decoder.decode([("ssn", given)]) }
    #expect(refusal?.code == "ARGUMENTS")
    let told = refusal?.message ?? ""
    #expect(told.hasPrefix("ssn: ") && told.contains("it takes ssn \(type)"), "\(told)")
    let sent = given == .text("e\u{301}123456789") ? "123456789" : type.text(of: given) ?? ""
    #expect(!told.contains(sent), "\(told)")
  }
}
