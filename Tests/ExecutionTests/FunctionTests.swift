import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

/// A call of one function as people write it, and the values that it gives row by row.
private struct Sample: Sendable, CustomTestStringConvertible {
  let function: String
  /// What stands behind `select`, its FROM included.
  let text: String
  let values: String
  var testDescription: String { text }

  init(_ function: String, _ arguments: String, _ values: String) {
    self.function = function
    text = "\(function)(\(arguments)) as x"
    self.values = values
  }

  /// Of a function over rows; of a window one value for each of them, in the order of their key.
  static func over(_ function: String, _ rest: String, _ values: String) -> Sample {
    let order = rest.contains(" over ") ? " order by id" : ""
    return Sample(
      function: function, text: "\(function)(\(rest) as x from orders\(order)", values: values)
  }

  init(function: String, text: String, values: String) {
    self.function = function
    self.text = text
    self.values = values
  }

  static let all: [Sample] = scalars + json + aggregates + windows + ours

  private static let scalars: [Sample] = [
    Sample("abs", "-7", "7"), Sample("char", "81, 68", "'QD'"),
    Sample("coalesce", "null, 2, 3", "2"), Sample("glob", "'a[bc]*', 'ac1'", "1"),
    Sample("glob", "'A*', 'abc'", "0"), Sample("hex", "'Az'", "'417A'"),
    Sample("ifnull", "null, 'x'", "'x'"), Sample("iif", "2 > 1, 'yes', 'no'", "'yes'"),
    Sample("instr", "'naïve', 'v'", "4"), Sample("length", "'naïve'", "5"),
    Sample("like", "'a%C', 'Abc'", "1"), Sample("like", "'50!%', '500', '!'", "0"),
    Sample("lower", "'ÄBc'", "'Äbc'"), Sample("ltrim", "'  a '", "'a '"),
    Sample("ltrim", "'xxa', 'x'", "'a'"), Sample("nullif", "1, 1", "null"),
    Sample("nullif", "1, 2", "1"), Sample("replace", "'a-b-c', '-', ''", "'abc'"),
    Sample("rtrim", "'  a '", "'  a'"), Sample("rtrim", "'a--', '-'", "'a'"),
    Sample("substr", "'Quorate', 2, 3", "'uor'"), Sample("substr", "'naïve', 3", "'ïve'"),
    Sample("trim", "'  a '", "'a'"), Sample("trim", "'-a-', '-'", "'a'"),
    Sample("typeof", "1", "'integer'"), Sample("unicode", "'ï'", "239"),
    Sample("upper", "'äb'", "'äB'"),
  ]

  private static let json: [Sample] = [
    Sample("json_array", "1, 'a', null", #"'[1,"a",null]'"#),
    Sample("json_array_length", "'[1,[2,3,4]]'", "2"),
    Sample("json_array_length", "'[1,[2,3,4]]', '$[1]'", "3"),
    Sample("json_extract", #"'{"a":{"b":7}}', '$.a.b'"#, "7"),
    Sample("json_object", "'a', 1", #"'{"a":1}'"#),
    Sample("json_type", "'[1]'", "'array'"), Sample("json_type", "'[1]', '$[0]'", "'integer'"),
    Sample("json_valid", "'{'", "0"), Sample("json_valid", "'{}'", "1"),
    Sample(function: "->", text: "'[7,[8]]' -> '$[1]' as x", values: "'[8]'"),
    Sample(function: "->>", text: "'[7,8]' ->> '$[1]' as x", values: "8"),
    Sample(
      function: "json_each", text: "value as x from json_each('[5,6]') order by key",
      values: "5, 6"),
    Sample(
      function: "json_tree", text: #"fullkey as x from json_tree('{"a":[1]}') order by fullkey"#,
      values: "'$', '$.a', '$.a[0]'"),
  ]

  private static let aggregates: [Sample] = [
    .over("count", "*)", "4"), .over("count", "distinct amount)", "3"),
    .over("sum", "amount)", "900"), .over("min", "amount)", "100"), .over("max", "amount)", "400"),
    Sample("min", "'b', 'a'", "'a'"), Sample("max", "1, 2", "2"),
    .over("list_sorted", "customer, id)", "'anna,anna,ben,ben'"),
    .over("list_sorted", "id, amount, '-')", "'a-b-c-d'"),
    .over("json_list_sorted", "amount, id)", "'[100,100,300,400]'"),
  ]

  private static let windows: [Sample] = [
    .over("row_number", ") over (order by amount, id)", "1, 2, 3, 4"),
    .over("rank", ") over (order by amount)", "1, 1, 3, 4"),
    .over("dense_rank", ") over (order by amount)", "1, 1, 2, 3"),
    .over("ntile", "2) over (order by amount, id)", "1, 1, 2, 2"),
    .over("lag", "id) over (order by amount, id)", "null, 'a', 'b', 'c'"),
    .over("lag", "amount, 2, 0) over (order by amount, id)", "0, 0, 100, 100"),
    .over("lead", "id) over (order by amount, id)", "'b', 'c', 'd', null"),
    .over(
      "first_value", "id) over (partition by customer order by amount, id)",
      "'a', 'a', 'c', 'c'"),
    .over("last_value", "id) over (order by amount, id)", "'a', 'b', 'c', 'd'"),
    .over("nth_value", "id, 2) over (order by amount, id)", "null, 'b', 'b', 'b'"),
  ]

  /// Day 20454 is 2026-01-01. No block orders a query, so its randomness is that of zeros: SHA-256
  /// over the tag, two digests of zeros and the label, computed apart.
  private static let ours: [Sample] = [
    Sample("consensus_time_ms", "", "1767225603000"), Sample("consensus_date", "", "20454"),
    Sample("consensus_random", "'a'", "8156670276473362696"),
    Sample(
      "uuid5", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com'",
      "'2ed6657d-e927-568b-95e1-2665a8aea6a2'"),
    Sample("mul_div", "7, 3, 2", "10"), Sample("mul_div", "7, 1, 2, 'half_up'", "4"),
    Sample("add_exact", "1, 2", "3"), Sample("mul_exact", "6, 7", "42"),
    Sample("exact", "7, 2, 3, '+-'", "6"), Sample("year", "20454", "2026"),
    Sample("month", "20485", "2"), Sample("date_trunc", "'month', 20498", "20485"),
    Sample("add_months", "20484, 1", "20512"), Sample("iso_week", "20454", "202601"),
    // A moment before 1970 is in the day that it falls in.
    Sample("date_of", "1767225603000", "20454"), Sample("date_of", "-1", "-1"),
    Sample("fmt_decimal", "-5, 2", "'-0.05'"), Sample("fmt_date", "20454", "'2026-01-01'"),
  ]
}

@Suite struct `A function that SQL may call` {
  private let subnet: Subnet

  init() throws {
    subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let rows = "a,anna,1.00,\nb,anna,1.00,\nc,ben,3.00,\nd,ben,4.00,\n"
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\n" + rows))
    try subnet.certify()
  }

  @Test func `is in the table below, with the operators and tables that are functions`() {
    let offered = Functions.offered + ["json_each", "json_tree"]
    #expect(Set(Sample.all.map(\.function)).sorted() == Set(offered).sorted())
    for sample in Sample.all { #expect(sample.text.contains(sample.function)) }
  }

  /// Through the parser, the checker and the printer, as all SQL goes.
  @Test(arguments: Sample.all)
  fileprivate func `gives its value`(sample: Sample) throws {
    let answer = try subnet.executor.reader.query(
      QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: "shop", question: .sql("select " + sample.text),
        arguments: [], height: nil, trust: .replica, caller: Subnet.owner.publicKey))
    let values = answer.result.rows.map { $0[0].shown }.joined(separator: ", ")
    #expect(values == sample.values)
  }
}
