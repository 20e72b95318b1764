/// Realistic feeds for the bank-reconciliation example, with everything in them that makes
/// reconciling hard.
///
/// Ledger lines and bank lines of the same payments, references spelled otherwise by the bank,
/// lines that come late or twice, wrong banks and amounts, pairs that cannot be told apart,
/// lifecycle stages and audit logs.
///
/// - Safety: the same seed, size and prefix give the same bytes on every machine.
package struct FeedGenerator: Sendable {
  /// What was put in, to hold results against.
  package struct Counts: Sendable, Hashable {
    /// Ledger lines with exactly one bank line that matches exactly.
    package fileprivate(set) var pairs = 0
    /// Lines that repeat an earlier one byte for byte.
    package fileprivate(set) var repeated = 0
    /// Lines that the contract or a quarantine expectation turns away.
    package fileprivate(set) var broken = 0
    /// Lines with the same side, reference, date and amount as another.
    package fileprivate(set) var ambiguous = 0
  }

  package let institutions: FeedTable
  package let transactions: FeedTable
  package let lifecycle: FeedTable
  package let audit: FeedTable
  package let counts: Counts

  /// - Parameters:
  ///   - rows: about so many transaction lines, bank and ledger together.
  ///   - prefix: begins every id of a line, so that several feeds do not meet.
  package init(seed: UInt64, rows: Int, prefix: String = "") {
    var writer = FeedWriter(seed: seed, prefix: prefix, customers: max(4, rows / 40))
    let payments = max(1, rows / 2)
    for number in 0..<payments { writer.pay(number) }
    institutions = FeedTable(
      source: "financial_institutions", header: ["bank_id", "name", "country", "address", "as_of"],
      rows: FeedWriter.banks)
    transactions = FeedTable(
      source: "financial_transactions", header: FeedWriter.transactionHeader,
      rows: writer.transactionRows)
    lifecycle = FeedTable(
      source: "lifecycle_associations", header: ["transaction_id", "seq", "stage", "at"],
      rows: writer.lifecycle)
    audit = FeedTable(
      source: "audit_logs", header: ["audit_id", "transaction_id", "actor", "action", "at"],
      rows: writer.audit)
    counts = writer.counts
  }

  private var tables: [FeedTable] { [institutions, transactions, lifecycle, audit] }

  /// The batches by source, as CSV with a header, in the order in which to ingest them.
  package var files: [(source: String, text: [UInt8])] { tables.map { ($0.source, $0.csv) } }

  /// The same as one JSON object a line.
  package var ndjsonFiles: [(source: String, text: [UInt8])] {
    tables.map { ($0.source, $0.ndjson) }
  }
}

/// The rows of one source as texts; nil is null.
package struct FeedTable: Sendable {
  package let source: String
  package let header: [String]
  package let rows: [[String?]]

  package var csv: [UInt8] {
    var out: [UInt8] = Array(header.joined(separator: ",").utf8)
    out.append(0x0a)
    for row in rows {
      for (index, field) in row.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        if let field { Self.append(field, to: &out) }
      }
      out.append(0x0a)
    }
    return out
  }

  private static func append(_ field: String, to out: inout [UInt8]) {
    let special = field.utf8.contains {
      $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 < 0x20
    }
    guard special || field.isEmpty else { return out.append(contentsOf: field.utf8) }
    out.append(UInt8(ascii: "\""))
    for byte in field.utf8 {
      if byte == UInt8(ascii: "\"") { out.append(byte) }
      out.append(byte)
    }
    out.append(UInt8(ascii: "\""))
  }

  package var ndjson: [UInt8] {
    var out: [UInt8] = []
    for row in rows {
      out.append(UInt8(ascii: "{"))
      var first = true
      for (name, field) in zip(header, row) {
        guard let field else { continue }
        if !first { out.append(UInt8(ascii: ",")) }
        first = false
        CanonicalJSON.quote(Array(name.utf8), into: &out)
        out.append(UInt8(ascii: ":"))
        CanonicalJSON.quote(Array(field.utf8), into: &out)
      }
      out.append(UInt8(ascii: "}"))
      out.append(0x0a)
    }
    return out
  }
}

/// Writes the lines of one payment after the other.
private struct FeedWriter {
  static let transactionHeader = [
    "transaction_id", "bank_id", "side", "customer_id", "amount", "currency", "value_date",
    "due_date", "reference", "description",
  ]
  static let banks: [[String?]] = [
    ["B01", "First Quorum Bank", "GB", "1 Threadneedle Street, London", "2024-01-01"],
    ["B02", "Banque du Léman", "CH", "Rue du Rhône 12, Genève", "2024-01-01"],
    ["B03", "Österreichische Handelsbank", "AT", "Graben 21, Wien", "2024-01-01"],
    ["B04", "Banco do Porto", "PT", nil, "2024-01-01"],
    ["B05", "Nordlys Sparebank", "NO", "Storgata 5, Tromsø", "2024-01-01"],
    ["B06", "Crédit Maritime \"Le Phare\"", "FR", "Quai 3, Brest", "2024-01-01"],
  ]
  private static let currencies = ["EUR", "EUR", "EUR", "GBP", "CHF", "NOK"]
  private static let purposes = [
    "Invoice settlement", "Rent, office", "Salaries", "Software licences", "Refund \"goodwill\"",
    "Versicherungsprämie", "Frais de port", "Card collection",
  ]
  private static let actors = ["ana", "björn", "chidi", "dolores", "system"]
  /// 2024-09-01; the feed spans 91 days from it.
  private static let firstDay: Int64 = 19_967
  private static let dayCount = 91

  private struct Line {
    var id: String
    var bank: String
    var side: String
    var customer: String
    /// In hundredths.
    var amount: Int64
    var currency: String
    var day: Int64
    var due: Int64?
    var reference: String
    var description: String?

    var fields: [String?] {
      [
        id, bank, side, customer,
        ColumnType.decimal(precision: 18, scale: 2).text(of: .integer(amount)), currency,
        ColumnType.date.text(of: .integer(day)),
        due.flatMap { ColumnType.date.text(of: .integer($0)) }, reference, description,
      ]
    }
  }

  private var random: SplitMix64
  private let prefix: String
  private let customers: Int
  private var arrivals: [(day: Int64, fields: [String?])] = []
  private(set) var lifecycle: [[String?]] = []
  private(set) var audit: [[String?]] = []
  var counts = FeedGenerator.Counts()

  init(seed: UInt64, prefix: String, customers: Int) {
    random = SplitMix64(seed: seed)
    self.prefix = prefix
    self.customers = customers
  }

  /// The lines in the order of their arrival.
  var transactionRows: [[String?]] {
    arrivals.enumerated()
      .sorted { ($0.element.day, $0.offset) < ($1.element.day, $1.offset) }
      .map(\.element.fields)
  }

  private func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  // MARK: - One payment

  mutating func pay(_ number: Int) {
    let ledger = ledgerLine(number)
    var bank = ledger
    bank.id = "\(prefix)K\(padded(number, 7))"
    bank.side = "BANK"
    bank.due = nil
    bank.reference = respelled(ledger.reference)
    bank.description = random.perMille(300) ? nil : ledger.description
    follow(ledger)
    switch random.below(1_000) {
    case 0..<830:
      counts.pairs += 1
      arrive(ledger)
      arrive(bank)
    case 830..<880: shiftDate(ledger, bank, by: 1 + random.below(3))
    case 880..<900: shiftDate(ledger, bank, by: 8 + random.below(20))
    case 900..<930:
      bank.amount += Int64(1 + random.below(500))
      arrive(ledger)
      arrive(bank)
    case 930..<955: arrive(ledger)
    case 955..<970: arrive(bank)
    case 970..<985: double(ledger, bank)
    default: spoil(ledger, bank)
    }
  }

  private mutating func ledgerLine(_ number: Int) -> Line {
    let day = Self.firstDay + Int64(random.below(Self.dayCount))
    let due: Int64? = random.perMille(250) ? nil : day + Int64(random.below(28)) - 6
    // Many small payments, few large ones.
    let cents = Int64(100 + random.below([20_000, 200_000, 5_000_000][random.below(3)]))
    return Line(
      id: "\(prefix)L\(padded(number, 7))", bank: random.pick(Self.banks)[0] ?? "",
      side: "LEDGER", customer: "C\(padded(random.below(customers), 5))", amount: cents,
      currency: random.pick(Self.currencies), day: day, due: due,
      reference: "\(prefix)INV-\(padded(random.below(9_000) + 1_000, 4))-\(padded(number, 6))",
      description: random.perMille(150) ? nil : random.pick(Self.purposes))
  }

  /// The reference as a bank's form makes it: other case, blanks for dashes, blanks around it.
  private mutating func respelled(_ reference: String) -> String {
    switch random.below(5) {
    case 0: reference
    case 1: reference.lowercased()
    case 2: reference.split(separator: "-").joined(separator: " ")
    case 3: reference.split(separator: "-").joined()
    default: " " + reference.lowercased().split(separator: "-").joined(separator: " ") + " "
    }
  }

  private mutating func arrive(_ line: Line) {
    let delay = random.perMille(40) ? 5 + random.below(20) : random.below(2)
    arrivals.append((line.day + Int64(delay), line.fields))
    // A sender that is not sure sends again.
    guard random.perMille(12) else { return }
    counts.repeated += 1
    arrivals.append((line.day + Int64(delay) + 1, line.fields))
  }

  private mutating func shiftDate(_ ledger: Line, _ bank: Line, by days: Int) {
    var shifted = bank
    shifted.day += Int64(days)
    arrive(ledger)
    arrive(shifted)
  }

  /// Two ledger lines that nothing tells apart, and one bank line for them.
  private mutating func double(_ ledger: Line, _ bank: Line) {
    var twin = ledger
    twin.id += "T"
    counts.ambiguous += 2
    arrive(ledger)
    arrive(twin)
    arrive(bank)
  }

  /// A line that the contract or an expectation turns away; its partner stays without a pair.
  private mutating func spoil(_ ledger: Line, _ bank: Line) {
    arrive(ledger)
    var fields = bank.fields
    switch random.below(6) {
    case 0: fields[1] = "B99"
    case 1: fields[4] = "0.00"
    case 2: fields[4] = (fields[4] ?? "") + "5"
    case 3: fields[5] = fields[5]?.lowercased()
    case 4: fields[6] = "2024-02-30"
    default: fields[3] = nil
    }
    counts.broken += 1
    arrivals.append((bank.day, fields))
  }

  // MARK: - What follows

  private mutating func follow(_ line: Line) {
    let stages = ["pending", "processed", "reconciled"].prefix(random.below(4))
    var moment = line.day * Calendar.dayMilliseconds + Int64(random.below(80_000)) * 1_000
    for (index, stage) in stages.enumerated() {
      lifecycle.append([line.id, String(index + 1), stage, text(moment)])
      moment += Int64(1 + random.below(40_000)) * 1_000
    }
    guard random.perMille(250) else { return }
    audit.append([
      "\(prefix)A\(padded(audit.count, 7))", line.id, random.pick(Self.actors),
      random.pick(["viewed", "approved", "corrected", "exported"]), text(moment),
    ])
  }

  private func text(_ moment: Int64) -> String? {
    ColumnType.timestamp.text(of: .integer(moment))
  }
}
