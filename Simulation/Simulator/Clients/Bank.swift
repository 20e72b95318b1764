import Pipelines
import Wire

/// The built-in pipeline of simulated load: transfers between accounts, with a balance an account.
enum Bank {
  static let name = "bank_transfers"
  static let accounts = 8
  static let table = "slv_transfers"
  static let pageRows: UInt32 = 1_000

  static let packageBytes = package.canonicalBytes

  static var package: Package {
    var budget = Budget()
    budget.publicDaily = 1_000_000_000_000_000
    return Package(
      name: name, version: "1.0.0", description: "Simulated load.", budget: budget,
      sources: [transfers],
      models: [transferLog, balances],
      procedures: [pay],
      queries: [
        Query(
          name: "transfers", allow: [.anyone], rowsMax: 5_000,
          sql: script(
            "select transfer_id, amount from {{ ref('slv_transfers') }} order by transfer_id"))
      ])
  }

  private static func script(_ text: String) -> SQLScript { SQLScript(text, file: "bank.yaml") }

  private static var transfers: Source {
    Source(
      name: "transfers",
      columns: [
        SourceColumn(name: "transfer_id", type: .text, required: true, bytesMax: 64),
        SourceColumn(name: "from_account", type: .text, required: true),
        SourceColumn(name: "to_account", type: .text, required: true),
        SourceColumn(name: "amount", type: .int, required: true),
      ], primaryKey: ["transfer_id"],
      expectations: [
        Expectation(name: "positive", check: script("amount > 0"), onViolation: .quarantine)
      ], allow: [.anyone])
  }

  private static var transferLog: Model {
    Model(
      name: "slv_transfers", layer: .silver, kind: .incremental, primaryKey: ["transfer_id"],
      columns: [
        ModelColumn(name: "transfer_id", type: .text),
        ModelColumn(name: "from_account", type: .text),
        ModelColumn(name: "to_account", type: .text),
        ModelColumn(name: "amount", type: .int),
      ], refresh: Refresh(by: ["transfer_id"]),
      sql: script(
        "select transfer_id, from_account, to_account, amount from {{ source('transfers') }}"),
      certified: true)
  }

  private static var balances: Model {
    Model(
      name: "received", layer: .gold, kind: .incremental, primaryKey: ["to_account"],
      columns: [
        ModelColumn(name: "to_account", type: .text),
        ModelColumn(name: "received", type: .int),
        ModelColumn(name: "transfers", type: .int),
      ], refresh: Refresh(by: ["to_account"]),
      sql: script(
        "select to_account, sum(amount) as received, count(*) as transfers "
          + "from {{ ref('slv_transfers') }} group by to_account"))
  }

  private static var pay: Procedure {
    Procedure(
      name: "pay",
      args: [
        Argument(name: "transfer_id", type: .text), Argument(name: "from_account", type: .text),
        Argument(name: "to_account", type: .text), Argument(name: "amount", type: .int),
      ], allow: [.anyone], emit: "transfers",
      sql: script(
        "select :transfer_id as transfer_id, :from_account as from_account, "
          + ":to_account as to_account, :amount as amount"))
  }
}
