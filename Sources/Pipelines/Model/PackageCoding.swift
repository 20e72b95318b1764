import Wire

// Lists of texts and optional texts, in the canonical bytes of a package.

extension Encoder {
  mutating func texts(_ values: [String]) {
    length(values.count)
    for value in values { text(value) }
  }

  mutating func optionalText(_ value: String?) {
    flag(value != nil)
    if let value { text(value) }
  }
}

extension Decoder {
  mutating func name() throws(Malformed) -> String { try text(limit: Limits.nameBytesMax) }

  mutating func prose() throws(Malformed) -> String {
    try text(limit: PackageLimits.textBytesMax)
  }

  mutating func names(limit: Int) throws(Malformed) -> [String] {
    try texts(limit: limit, bytes: Limits.nameBytesMax)
  }

  mutating func texts(limit: Int, bytes: Int) throws(Malformed) -> [String] {
    let count = try length(limit: limit)
    var values: [String] = []
    for _ in 0..<count { values.append(try text(limit: bytes)) }
    return values
  }

  mutating func optionalText(limit: Int) throws(Malformed) -> String? {
    try flag() ? try text(limit: limit) : nil
  }
}

/// An enumeration without payload, one byte in canonical bytes.
package protocol CanonicalCase: Canonical, Hashable, CaseIterable, RawRepresentable
where RawValue == String, AllCases == [Self] {}

extension CanonicalCase {
  package func encode(into encoder: inout Encoder) {
    guard let index = Self.allCases.firstIndex(of: self) else {
      preconditionFailure("\(self) is not among its cases")
    }
    encoder.variant(index)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    self = Self.allCases[try decoder.variant(count: Self.allCases.count)]
  }
}
