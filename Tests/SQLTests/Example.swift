import SQL

/// The tables of the bank reconciliation example, as far as its statements need them.
enum Example {
  private static func table(
    _ name: String, _ columns: [(String, SQLType)], key: [String], nullable: Set<String> = [],
    pii: Set<String> = []
  ) -> TableShape {
    TableShape(
      name: name,
      columns: columns.map {
        ColumnShape(
          name: $0.0, type: $0.1, nullable: nullable.contains($0.0), pii: pii.contains($0.0))
      }, keys: [key])
  }

  static let amount = SQLType.decimal(precision: 18, scale: 2)

  static let financial = table(
    "bronze_financial_transactions",
    [
      ("transaction_id", .text), ("bank_id", .text), ("side", .text), ("customer_id", .text),
      ("amount", amount), ("currency", .text), ("value_date", .date), ("due_date", .date),
      ("reference", .text), ("description", .text),
    ], key: ["transaction_id"], nullable: ["due_date", "description"], pii: ["customer_id"])

  static let lifecycle = table(
    "bronze_lifecycle_associations",
    [("transaction_id", .text), ("seq", .integer), ("stage", .text), ("at", .timestamp)],
    key: ["transaction_id", "seq"])

  static let transactions = table(
    "slv_transactions",
    [
      ("transaction_id", .text), ("bank_id", .text), ("side", .text), ("customer_id", .text),
      ("amount", amount), ("currency", .text), ("value_date", .date), ("due_date", .date),
      ("reference", .text), ("description", .text), ("match_ref", .text),
      ("payment_status", .text),
    ], key: ["transaction_id"], nullable: ["due_date"], pii: ["customer_id"])

  static let matches = table(
    "slv_matches",
    [
      ("bank_transaction_id", .text), ("ledger_transaction_id", .text), ("bank_id", .text),
      ("match_ref", .text), ("match_rule", .text),
    ], key: ["bank_transaction_id"])

  static let stages = table(
    "slv_lifecycle",
    [("transaction_id", .text), ("seq", .integer), ("stage", .text), ("at", .timestamp)],
    key: ["transaction_id", "seq"])

  static let audit = table(
    "slv_audit",
    [
      ("audit_id", .text), ("transaction_id", .text), ("actor", .text), ("action", .text),
      ("at", .timestamp),
    ], key: ["audit_id"])

  static let catalog = Catalog([
    .init(kind: .source, name: "financial_transactions", shape: financial),
    .init(kind: .source, name: "lifecycle_associations", shape: lifecycle),
    .init(kind: .ref, name: "slv_transactions", shape: transactions),
    .init(kind: .ref, name: "slv_matches", shape: matches),
    .init(kind: .ref, name: "slv_lifecycle", shape: stages),
    .init(kind: .ref, name: "slv_audit", shape: audit),
    .init(
      kind: .ref, name: "hidden", shape: audit, hiddenBecause: "gold never reads bronze"),
  ])

  static func check(
    _ text: String, _ profile: Profile = .model, parameters: [(name: String, type: SQLType)] = [],
    form: TextForm = .file
  ) throws -> CheckedQuery {
    let query = try parse(SQLText(file: "model.sql", text: text), form: form)
    return try SQL.check(
      query, catalog: catalog, profile: profile, parameters: parameters,
      vars: [(name: "date_tolerance_days", value: .integer(3))])
  }

  /// The rules of the refusals, in the order of the text; empty when it is accepted.
  static func rules(
    _ text: String, _ profile: Profile = .model, parameters: [(name: String, type: SQLType)] = [],
    form: TextForm = .file
  ) -> [String] {
    do {
      _ = try check(text, profile, parameters: parameters, form: form)
      return []
    } catch let one as Diagnostic {
      return [one.rule]
    } catch let many as Diagnostics {
      return many.list.map(\.rule)
    } catch {
      return ["\(error)"]
    }
  }
}
