import Wire

/// The entries of one YAML mapping, read by name and type; what is wrong goes to the fault list.
struct Fields {
  let file: String
  let line: Int
  let column: Int
  /// What the mapping describes, for messages: `a source`.
  let what: String
  let faults: FaultList
  let entries: [(key: String, value: YAMLValue)]

  /// - Returns: nil when the value is no mapping. Keys that are not in `known` are faults.
  init?(_ value: YAMLValue, _ what: String, known: [String], file: String, faults: FaultList) {
    guard case .map(let pairs) = value.content else {
      faults.add(file, value.line, value.column, "\(what) is a mapping, not \(value.kind)")
      return nil
    }
    self.init(pairs, value, what, file: file, faults: faults)
    for (key, value) in entries where !known.contains(key) {
      let place = pairs.first { Self.text($0.key) == key }?.key ?? value
      faults.add(
        file, place.line, place.column,
        "unknown key \(key) in \(what)" + Spelling.hint(key, among: known),
        fix: Spelling.nearest(key, among: known) == nil
          ? "use one of \(known.joined(separator: ", "))" : nil)
    }
  }

  /// A mapping whose keys are names of the author's: arguments, variables, upstreams.
  init?(names value: YAMLValue, _ what: String, file: String, faults: FaultList) {
    guard case .map(let pairs) = value.content else {
      faults.add(file, value.line, value.column, "\(what) is a mapping, not \(value.kind)")
      return nil
    }
    self.init(pairs, value, what, file: file, faults: faults)
  }

  private init(
    _ pairs: [(key: YAMLValue, value: YAMLValue)], _ value: YAMLValue, _ what: String,
    file: String, faults: FaultList
  ) {
    self.file = file
    self.what = what
    self.faults = faults
    line = value.line
    column = value.column
    var entries: [(key: String, value: YAMLValue)] = []
    for pair in pairs {
      guard let key = Self.text(pair.key) else {
        faults.add(file, pair.key.line, pair.key.column, "a key of \(what) is a single value")
        continue
      }
      // `1` and "1" are two keys for YAML, and one name here.
      guard !entries.contains(where: { $0.key == key }) else {
        faults.add(file, pair.key.line, pair.key.column, "the key \(key) stands twice in \(what)")
        continue
      }
      entries.append((key, pair.value))
    }
    self.entries = entries
  }

  private static func text(_ key: YAMLValue) -> String? {
    guard case .scalar(let text, _) = key.content else { return nil }
    return text
  }

  subscript(key: String) -> YAMLValue? { entries.first { $0.key == key }?.value }

  func fault(_ value: YAMLValue, _ message: String, fix: String? = nil) {
    faults.add(file, value.line, value.column, message, fix: fix)
  }

  func missing(_ key: String) {
    // A key that was misspelt is told of where it stands.
    guard !entries.contains(where: { Spelling.nearest($0.key, among: [key]) != nil }) else {
      return
    }
    let lists = ["primary_key", "columns"]
    faults.add(
      file, line, column, "\(what) lacks \(key):",
      fix: lists.contains(key) ? "\(key): [ … ]" : "\(key): …")
  }

  // MARK: - Single values

  /// The text of an entry, whatever it looks like.
  func text(_ key: String, required: Bool = false) -> String? {
    guard let value = self[key] else {
      if required { missing(key) }
      return nil
    }
    return text(of: value, key)
  }

  func text(of value: YAMLValue, _ key: String) -> String? {
    guard case .scalar(let text, let style) = value.content,
      style != .plain || !YAMLValue.isNull(text)
    else {
      fault(value, "\(key): is a text, not \(value.kind)", fix: "write \"\" for an empty text")
      return nil
    }
    guard text.utf8.count <= PackageLimits.sqlBytesMax else {
      fault(value, "\(key): is over \(PackageLimits.sqlBytesMax) bytes")
      return nil
    }
    return text
  }

  func description() -> String {
    guard let value = self["description"], let text = text(of: value, "description") else {
      return ""
    }
    guard text.utf8.count <= PackageLimits.textBytesMax else {
      fault(value, "description: is over \(PackageLimits.textBytesMax) bytes")
      return ""
    }
    return text
  }

  /// The plain spelling of an entry that is no text.
  private func plain(_ key: String, _ form: String) -> (text: String, value: YAMLValue)? {
    guard let value = self[key] else { return nil }
    guard case .scalar(let text, let style) = value.content, style == .plain,
      !YAMLValue.isNull(text)
    else {
      if case .scalar(_, let style) = value.content, style != .plain {
        fault(value, "\(key): is \(form); a quoted value is a text", fix: "remove the quotes")
      } else {
        fault(value, "\(key): is \(form), not \(value.kind)")
      }
      return nil
    }
    return (text, value)
  }

  func flag(_ key: String) -> Bool? {
    guard let (text, value) = plain(key, "true or false") else { return nil }
    if text == "true" { return true }
    if text == "false" { return false }
    fault(value, "\(key): is true or false, not \(text)")
    return nil
  }

  func number(_ key: String, in range: ClosedRange<UInt64>) -> UInt64? {
    guard let (text, value) = plain(key, "a whole number") else { return nil }
    let digits = text.filter { $0 != "_" }
    guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt64(digits) else {
      fault(value, "\(key): is a whole number, not \(text)")
      return nil
    }
    return within(range, number, key, value, unit: "")
  }

  /// Bytes: `65536`, `64KiB`, `1MiB`.
  func bytes(_ key: String, in range: ClosedRange<UInt64>) -> UInt64? {
    guard let (text, value) = plain(key, "a size such as 64KiB") else { return nil }
    let units: [(String, UInt64)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("", 1)]
    guard let number = Self.scaled(text, units) else {
      fault(value, "\(key): is a size such as 512, 64KiB or 1MiB, not \(text)")
      return nil
    }
    return within(range, number, key, value, unit: " bytes")
  }

  /// Cycles: `5T`, `200G`, `20M`, `7k`, `1000`.
  func cycles(_ key: String) -> Cycles? {
    guard let (text, value) = plain(key, "cycles such as 5T") else { return nil }
    let units: [(String, UInt64)] = [
      ("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("", 1),
    ]
    guard let number = Self.scaled(text.filter { $0 != "_" }, units) else {
      fault(value, "\(key): is a number of cycles such as 5T, 200G, 20M, 7k or 1000, not \(text)")
      return nil
    }
    return Cycles(number)
  }

  /// Milliseconds: `3d`, `12h`, `15m`, `30s`, `250ms`.
  func duration(_ key: String) -> UInt64? {
    guard let (text, value) = plain(key, "a duration such as 3d") else { return nil }
    let units: [(String, UInt64)] = [
      ("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ]
    guard let number = Self.scaled(text, units) else {
      fault(value, "\(key): is a duration such as 3d, 12h, 15m, 30s or 250ms, not \(text)")
      return nil
    }
    return within(0...366_000 * 86_400_000, number, key, value, unit: " ms")
  }

  private static func scaled(_ text: String, _ units: [(String, UInt64)]) -> UInt64? {
    for (unit, factor) in units where text.hasSuffix(unit) {
      let digits = text.dropLast(unit.count)
      guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
        let number = UInt64(digits)
      else { continue }
      let (product, overflow) = number.multipliedReportingOverflow(by: factor)
      return overflow ? nil : product
    }
    return nil
  }

  private func within(
    _ range: ClosedRange<UInt64>, _ number: UInt64, _ key: String, _ value: YAMLValue,
    unit: String
  ) -> UInt64? {
    guard range.contains(number) else {
      fault(
        value,
        "\(key): is \(number)\(unit); it must lie in \(range.lowerBound)...\(range.upperBound)")
      return nil
    }
    return number
  }

  /// One of the spellings of an enumeration.
  func choice<T: CanonicalCase>(_ key: String, _ type: T.Type = T.self) -> T? {
    guard let value = self[key], let text = text(of: value, key) else { return nil }
    guard let choice = T(rawValue: text) else {
      let spellings = T.allCases.map(\.rawValue)
      fault(
        value,
        "\(key): is one of \(spellings.joined(separator: ", ")), not \(text)"
          + Spelling.hint(text, among: spellings),
        fix: "\(key): "
          + (Spelling.nearest(text, among: spellings) ?? spellings.joined(separator: " | ")))
      return nil
    }
    return choice
  }

  // MARK: - Lists

  /// The items of a list; nil when there is no such entry or it is no list.
  func list(_ key: String) -> [YAMLValue]? {
    guard let value = self[key] else { return nil }
    guard case .list(let items) = value.content else {
      fault(value, "\(key): is a list, not \(value.kind)")
      return nil
    }
    return items
  }

  func texts(_ key: String) -> [String]? {
    list(key)?.compactMap { text(of: $0, key) }
  }

  /// A single text, or a list of them.
  func textOrTexts(_ key: String) -> [String] {
    guard let value = self[key] else { return [] }
    if case .list(let items) = value.content { return items.compactMap { text(of: $0, key) } }
    return text(of: value, key).map { [$0] } ?? []
  }
}
