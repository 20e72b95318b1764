import Wire

/// What the values of one field of a file have in common.
///
/// - Safety: a type is proposed only when the decoder that batches pass through reads every value.
/// - Bound: keeps one copy of each distinct value, up to `InferLimits.distinctMax`.
struct ColumnGuess {
  /// As the file has it; empty where it has no header.
  let field: String
  var name = ""
  private var candidates: [Candidate] = Candidate.all
  private(set) var hasEmpty = false
  /// Texts that often mean null, and do where all others have a type.
  private(set) var markers: [String] = []
  private(set) var distinct: Set<[UInt8]> = []
  private(set) var count = 0
  private(set) var bytesMax = 0
  private(set) var isUnique = true
  private var fractionMax = 0
  private var hasLeadingZero = false

  init(field: String) { self.field = field }

  private struct Candidate {
    let type: ColumnType
    let parse: ParseRule
    let reader: ColumnReader

    /// From the narrowest to the widest; text takes what is left.
    static let all: [Candidate] = {
      let types: [(ColumnType, ParseRule)] = [
        (.bool, .standard), (.date, .yymmdd), (.date, .yyyymmdd), (.int, .standard),
        (.decimal(precision: 18, scale: 18), .standard), (.date, .standard), (.date, .ddmmyyyy),
        (.timestamp, .standard), (.timestamp, .yymmddTime), (.uuid, .standard),
      ]
      return types.compactMap { type, parse in
        // A decimal is looked at with the digits that the column turns out to have.
        let column = SourceColumn(name: "x", type: type, parse: parse)
        return (try? ColumnReader(column, isKey: false, defaults: Defaults())).map {
          Candidate(type: type, parse: parse, reader: $0)
        }
      }
    }()

    func reads(_ value: [UInt8]) -> Bool {
      if case .decimal = type { return DecimalShape(value) != nil }
      var spill = Spill(base: 0)
      let cell = try? reader.read(value.span, 0..<value.count, inPlace: false, spill: &spill)
      return cell != nil
    }
  }

  private static let knownMarkers: [String] = [
    "NULL", "null", "NA", "N/A", "n/a", "\\N", "-", "?", "None", "none", "nan", "NaN",
  ]

  mutating func add(_ value: [UInt8], quoted: Bool) {
    if value.isEmpty, !quoted {
      hasEmpty = true
      return
    }
    let text = String(decoding: value, as: UTF8.self)
    if !quoted, Self.knownMarkers.contains(text) {
      if !markers.contains(text) { markers.append(text) }
      return
    }
    count += 1
    bytesMax = max(bytesMax, value.count)
    if distinct.count < InferLimits.distinctMax {
      guard distinct.insert(value).inserted else {
        isUnique = false
        return
      }
    }
    if let shape = DecimalShape(value) {
      fractionMax = max(fractionMax, shape.fraction)
      hasLeadingZero = hasLeadingZero || shape.hasLeadingZero
    }
    candidates.removeAll { !$0.reads(value) }
  }

  var isNullable: Bool { hasEmpty || (!isText && !markers.isEmpty) }
  private var isText: Bool { guess.type == .text }

  /// The narrowest type that reads all values.
  var guess: (type: ColumnType, parse: ParseRule) {
    guard count > 0 else { return (.text, .standard) }
    for candidate in candidates where isPlausible(candidate) {
      guard case .decimal = candidate.type else { return (candidate.type, candidate.parse) }
      let scale = UInt8(clamping: fractionMax)
      return (.decimal(precision: PackageLimits.decimalDigitsMax, scale: scale), .standard)
    }
    return (.text, .standard)
  }

  private func isPlausible(_ candidate: Candidate) -> Bool {
    switch (candidate.type, candidate.parse) {
    // Digits alone are a date only where the name says so.
    case (.date, .yymmdd), (.date, .yyyymmdd), (.date, .ddmmyyyy): namesTime
    case (.int, _): !hasLeadingZero
    case (.decimal, _): !hasLeadingZero && fractionMax > 0 && fractionMax <= 8
    default: true
    }
  }

  private var namesTime: Bool {
    let lower = (field.isEmpty ? name : field).lowercased()
    return ["date", "day", "datum", "issued", "birth"].contains { lower.contains($0) }
  }

  /// How likely this is a key by its name and type, the least the likeliest; nil for what measures
  /// a row rather than names it.
  var keyRank: Int? {
    let words = name.split(separator: "_").map(String.init)
    guard let last = words.last else { return nil }
    switch guess.type {
    case .decimal, .bool: return nil
    case .date, .timestamp: return 3
    default: break
    }
    if ["id", "uuid"].contains(last) { return 0 }
    if last.hasSuffix("key") || ["code", "number", "no", "nr"].contains(last) { return 1 }
    let isMeasure = words.contains { Self.measures.contains($0) }
    return isMeasure && guess.type == .int ? nil : 2
  }

  private static let measures: Set = [
    "amount", "balance", "cost", "count", "price", "qty", "quantity", "rate", "sum", "total",
  ]

  /// Few values that come again and again: what `accepted_values` might list.
  var listing: [String]? {
    guard isText, distinct.count <= 8, count >= 20 * max(1, distinct.count), bytesMax <= 32 else {
      return nil
    }
    return distinct.map { String(decoding: $0, as: UTF8.self) }.sorted()
  }
}

/// Digits before and behind the point of a number without exponent.
private struct DecimalShape {
  let fraction: Int
  /// `007`: a name made of digits.
  let hasLeadingZero: Bool

  init?(_ text: [UInt8]) {
    let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text[...]
    let parts = digits.split(
      separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, !whole.isEmpty,
      parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }),
      whole.count + (parts.count == 2 ? parts[1].count : 0)
        <= Int(PackageLimits.decimalDigitsMax)
    else { return nil }
    fraction = parts.count == 2 ? parts[1].count : 0
    hasLeadingZero = whole.count > 1 && whole.first == 0x30
  }
}

/// How much of a file is looked at.
package enum InferLimits {
  package static let rowsMax = 100_000
  package static let bytesMax = 64 << 20
  package static let distinctMax = 100_000
  package static let keyColumnsTried = 12
}
