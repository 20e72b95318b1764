import Certification
import Pipelines
import Wire

/// A source made ready: its decoder, its tables, what its rules need to know of columns.
final class SourcePlan {
  let source: Source
  let decoder: RowDecoder
  let bronze: StoredTable
  let quarantine: StoredTable
  /// Columns of a decoded row: the bronze table's but for the system columns.
  let columnCount: Int
  /// How the bronze table keeps each of them.
  let storages: [Pipelines.ColumnType.Storage]
  let eventTime: TimeColumn?
  let versionColumn: Int?
  /// The version, where it is a date or a timestamp.
  let versionTime: TimeColumn?
  /// Places of the key in a decoded row.
  let key: [Int]
  var expectations: ExpectationPlan?
  let operation: ChangeOperation?
  let operationColumn: Int?

  /// - Precondition: the package is checked, so names of columns are names of columns.
  init(
    _ source: Source, decoder: RowDecoder, bronze: StoredTable, quarantine: StoredTable
  ) {
    self.source = source
    self.decoder = decoder
    self.bronze = bronze
    self.quarantine = quarantine
    let stored = source.storedColumns
    columnCount = stored.count
    storages = stored.map(\.type.storage)
    func place(_ name: String) -> Int? { stored.firstIndex { $0.name == name } }
    func time(_ name: String) -> TimeColumn? {
      place(name).flatMap { TimeColumn(place: $0, type: stored[$0].type) }
    }
    eventTime = source.eventTime.flatMap { time($0.column) }
    versionColumn = source.version.flatMap(place)
    versionTime = source.version.flatMap(time)
    operation = source.operation
    operationColumn = source.operation.flatMap { place($0.column) }
    key = source.primaryKey.compactMap(place)
  }

  /// What a row with `op:` asks for; nil for a word that the contract does not know.
  func change(_ batch: DecodedBatch, _ row: Int) -> ChangeOperation.Change? {
    guard let operation, let operationColumn,
      case .text(let word) = batch.value(row: row, column: operationColumn)
    else { return nil }
    return operation.change(word)
  }

  /// The system columns behind a bronze row's own.
  static let bronzeSystem: [TableSchema.Column] = [
    .init(name: "_batch", type: .text, nullable: false, personal: false),
    .init(name: "_row", type: .int, nullable: false, personal: false),
    .init(name: "_height", type: .int, nullable: false, personal: false),
    .init(name: "_late", type: .bool, nullable: false, personal: false),
  ]

  static let quarantineSystem: [TableSchema.Column] = [
    .init(name: "_errors", type: .text, nullable: false, personal: false),
    .init(name: "_batch", type: .text, nullable: false, personal: false),
    .init(name: "_row", type: .int, nullable: false, personal: false),
    .init(name: "_height", type: .int, nullable: false, personal: false),
    .init(name: "_position", type: .int, nullable: false, personal: false),
    .init(name: "_released_by", type: .text, nullable: true, personal: false),
  ]

  static func bronzeColumns(of source: Source) -> [TableSchema.Column] {
    source.storedColumns.map { column in
      TableSchema.Column(
        name: column.name, type: column.type.proven,
        nullable: !column.required && !source.primaryKey.contains(column.name),
        personal: column.pii != nil)
    } + bronzeSystem
  }

  static func quarantineColumns(of source: Source) -> [TableSchema.Column] {
    source.columns.map { column in
      TableSchema.Column(
        name: column.name, type: .text, nullable: true, personal: column.pii != nil)
    } + [
      .init(
        name: Source.captureColumn, type: .text, nullable: true,
        personal: source.capturedPII != nil)
    ] + quarantineSystem
  }

  /// `_height, _position, _row`.
  static func quarantineKey(of source: Source) -> [Int] {
    let own = source.columns.count + 1
    return [own + 3, own + 4, own + 2]
  }
}

/// A column of dates or timestamps, read as a time in milliseconds.
struct TimeColumn {
  /// In a decoded row.
  let place: Int
  /// Milliseconds of one unit.
  private let unit: Int64

  /// - Returns: nil for a column that holds no times.
  init?(place: Int, type: Pipelines.ColumnType) {
    switch type {
    case .date: unit = 86_400_000
    case .timestamp: unit = 1
    case .text, .int, .decimal, .bool, .uuid, .bytes, .json: return nil
    }
    self.place = place
  }

  func moment(_ batch: DecodedBatch, _ row: Int) -> Int64? {
    guard case .integer(let value) = batch.cell(row: row, column: place) else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: unit)
    return overflow ? (value < 0 ? .min : .max) : product
  }
}

extension Pipelines.ColumnType {
  /// The type as proofs and answers name it.
  var proven: Certification.ColumnType {
    switch self {
    case .text: .text
    case .int: .int
    case .decimal(_, let scale): .decimal(scale: scale)
    case .date: .date
    case .timestamp: .timestamp
    case .bool: .bool
    case .uuid: .uuid
    case .bytes: .bytes
    case .json: .json
    }
  }
}

extension Value {
  var stored: StoredValue {
    switch self {
    case .null: .null
    case .int(let number): .integer(number)
    case .text(let text): .text(text)
    case .bytes(let bytes): .blob(bytes)
    }
  }
}

extension StoredValue {
  var value: Value {
    switch self {
    case .null: .null
    case .integer(let number): .int(number)
    case .text(let text): .text(text)
    case .blob(let bytes): .bytes(bytes)
    }
  }
}
