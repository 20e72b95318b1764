import SQL

// Types of contracts and of the SQL checker.

extension ColumnType {
  package var sqlType: SQLType {
    switch self {
    case .text: .text
    case .int: .integer
    case .decimal(let precision, let scale):
      .decimal(precision: Int(precision), scale: Int(scale))
    case .date: .date
    case .timestamp: .timestamp
    case .bool: .bool
    case .uuid: .uuid
    case .bytes: .bytes
    case .json: .json
    }
  }

  /// - Returns: nil for what no column can hold: REAL, and types that nothing declares.
  package init?(_ type: SQLType) {
    switch type {
    case .text: self = .text
    case .integer: self = .int
    case .decimal(let precision, let scale):
      let digits = min(max(precision, 1), Int(PackageLimits.decimalDigitsMax))
      guard scale >= 0, scale <= digits else { return nil }
      self = .decimal(precision: UInt8(digits), scale: UInt8(scale))
    case .date: self = .date
    case .timestamp: self = .timestamp
    case .bool: self = .bool
    case .uuid: self = .uuid
    case .bytes: self = .bytes
    case .json: self = .json
    case .real, .null, .unknown: return nil
    }
  }

  /// Whether values that the checker found to be of `type` may be declared as this.
  func admits(_ type: SQLType) -> Bool {
    switch (self, type) {
    case (_, .null): true
    case (_, .real), (_, .unknown): false
    case (.decimal(_, let own), .decimal(_, let scale)): Int(own) == scale
    case (.json, .json), (.json, .text), (.uuid, .text), (.text, .uuid), (.text, .json): true
    case (.bool, .bool), (.bool, .integer), (.int, .bool): true
    // A whole number may be declared as what it counts: days, milliseconds, cents.
    case (.date, .integer), (.timestamp, .integer), (.decimal, .integer), (.int, .integer): true
    default: sqlType == type
    }
  }
}

extension SQLType {
  /// As a message names it.
  var spoken: String {
    self == .unknown ? "a value out of JSON, which may be of any type" : "\(self)"
  }
}

extension ColumnType {
  /// How a SELECT gives this where it gives `type`; nil where nothing does.
  func mended(_ type: SQLType, named name: String) -> String? {
    if case .decimal(_, let own) = self, case .decimal(_, let scale) = type {
      // To declare the other scale would move the point.
      let factor = "1" + String(repeating: "0", count: abs(scale - Int(own)))
      return "mul_div(…, \(scale > own ? "1, \(factor)" : "\(factor), 1")) as \(name)"
    }
    guard type == .unknown else { return ColumnType(type).map(Self.declared) }
    return switch self {
    case .json: "column -> '$.path' as \(name)"
    case .bytes: nil
    default: "cast(… as \(storage == .integer ? "integer" : "text")) as \(name)"
    }
  }

  /// Between braces a comma ends a value that no quotes hold.
  private static func declared(_ type: ColumnType) -> String {
    let text = "\(type)"
    return text.contains(",") ? "type: \"\(text)\"" : "type: \(text)"
  }
}

extension ModelColumn {
  var shape: ColumnShape {
    ColumnShape(name: name, type: type.sqlType, nullable: nullable, pii: pii != nil)
  }
}

extension Source {
  /// The bronze table as SQL sees it: the contract's columns, then the system's.
  package var shape: TableShape {
    let own = storedColumns.map {
      ColumnShape(
        name: $0.name, type: $0.type.sqlType,
        nullable: !$0.required && !primaryKey.contains($0.name), pii: $0.pii != nil)
    }
    let system = [
      ColumnShape(name: "_batch", type: .text), ColumnShape(name: "_row", type: .integer),
      ColumnShape(name: "_height", type: .integer), ColumnShape(name: "_late", type: .bool),
    ]
    return TableShape(name: bronzeTable, columns: own + system, keys: [primaryKey])
  }
}

extension CheckedModel {
  /// The table or view as SQL sees it.
  package var shape: TableShape {
    let proven = query?.keys ?? []
    let keys =
      switch model.kind {
      case .full, .incremental, .seed:
        [primaryKey] + proven.filter { $0 != primaryKey }
      // It holds every version of a row; the SELECT's keys are those of one.
      case .snapshot: [primaryKey]
      // Nothing holds a view to the key that it declares.
      case .view: proven
      }
    return TableShape(name: model.name, columns: columns.map(\.shape), keys: keys)
  }
}
