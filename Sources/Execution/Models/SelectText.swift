import SQL

/// What stands in the place of a table in a printed SELECT.
struct Restriction: Sendable {
  enum Kind: Sendable {
    /// The rows whose columns have the values of the key's parameters.
    case columns([String])
    /// The rows that another SELECT gives, which takes the key's parameters.
    case scope(CheckedQuery)
    /// Another table with the same columns.
    case replacement(String)
  }
  let table: String
  let kind: Kind
}

/// A SELECT that the checker has passed, ready to be printed for SQLite.
///
/// - Safety: the only texts of users that are ever prepared are printed here, from the checker's
///   tree.
struct SelectText: Sendable {
  let columns: [String]
  private let checked: CheckedQuery

  init(_ checked: CheckedQuery) {
    self.checked = checked
    columns = checked.columns.map(\.name)
  }

  /// The whole statement.
  var whole: String { checked.print() }

  /// The statement over sources in whose places others stand.
  func restricted(_ restrictions: [Restriction]) -> String {
    checked.print(substituting: { table in
      guard let found = restrictions.first(where: { $0.table == table.name }) else { return nil }
      switch found.kind {
      case .columns(let columns):
        let filter = columns.map { "\(quoted($0)) = :\($0)" }.joined(separator: " AND ")
        return "(SELECT * FROM \(quoted(table.name)) WHERE \(filter))"
      case .scope(let query): return "(\(query.print()))"
      case .replacement(let name): return quoted(name)
      }
    })
  }
}
