import ArgumentParser
import Foundation
import Metering
import Pipelines
import QuorateClient
import Signing
import Wire

struct CyclesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cycles", abstract: "What updates cost, and who pays: the pipeline's developer.",
    discussion: """
        quorate cycles balance bank_reconciliation
        quorate cycles top-up bank_reconciliation 5T
        quorate cycles report bank_reconciliation
        quorate cycles prices
        quorate cycles change-prices step=120 storage=150k --as operator
      """,
    subcommands: [
      Balance.self, TopUp.self, Transfer.self, Prices.self, ChangePrices.self, Report.self,
    ])

  struct Balance: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The balance of a pipeline, or of an identity.")
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "A pipeline; without one, the identity's own account.") var pipeline: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      guard let pipeline else {
        guard let keys = session.keys else {
          throw Failure("'nobody' has no account; name an identity with --as or a pipeline.")
        }
        let balance = try await session.client.balance(of: keys.publicKey)
        await session.client.close()
        Terminal.say(
          json
            ? try Terminal.json(["balance": balance.number])
            : "\(cyclesText(balance.number)) cycles (\(grouped(balance.number)))")
        return
      }
      let catalog = try await session.catalog()
      await session.client.close()
      guard let found = catalog.pipelines.first(where: { $0.name == pipeline }) else {
        throw Failure(
          "There is no pipeline '\(pipeline)'; 'quorate pipeline list' shows those there are."
            + (location.identities.names().contains(pipeline)
              ? "\nIt is an identity: quorate cycles balance --as \(pipeline)" : ""))
      }
      if json {
        Terminal.say(
          try Terminal.json(
            PipelineBalance(
              balance: found.balance.number, freezesBelow: found.freezesBelow.number,
              condition: found.condition.label)))
        return
      }
      Terminal.say(
        """
        \(pipeline): \(cyclesText(found.balance.number)) cycles; updates freeze below \
        \(cyclesText(found.freezesBelow.number))
        """)
      if let advice = CyclesCommand.advice(found) { Terminal.say(advice) }
    }
  }

  /// A pipeline's account for programs.
  struct PipelineBalance: Encodable {
    let balance: UInt64
    let freezesBelow: UInt64
    let condition: String
  }

  /// Why a pipeline takes no updates, what goes on all the same, and the command that ends it; nil
  /// for one that runs.
  static func advice(_ found: CatalogPipeline) -> String? {
    let why: String
    switch found.condition {
    case .running: return nil
    case .frozen: why = "is FROZEN: its balance is below its reserve"
    case .archived: why = "is ARCHIVED: its storage went unpaid for as long as its reserve lasts"
    }
    let missing = found.freezesBelow.above(found.balance)
    return "\(found.name) \(why). Updates are refused; queries and snapshots go on.\n"
      + "Top it up: quorate cycles top-up \(found.name) \(ample(missing))"
  }

  /// What ends a freeze for long: twice what is missing, a trillion at least.
  static func ample(_ missing: UInt64) -> String { "\(max(1, missing / 500_000_000_000))T" }

  struct TopUp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "top-up", abstract: "Give cycles to a pipeline; anyone may.")
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The pipeline.") var pipeline: String
    @Argument(help: "How many cycles: 5T, 200G, 1000000.") var amount: CycleAmount
    @Option(help: "The idempotency key. Without it, a new one.") var key: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      if let fee = try? await session.client.prices().table.transfer,
        let words = Self.warning(amount.cycles, fee: fee)
      {
        Terminal.warn(words)
      }
      let certified = try await session.submit(
        Intention(
          pipeline: pipeline, method: .topUp(amount.cycles), key: key ?? Session.freshKey()))
      let found = await session.seen(pipeline, since: certified.proof.receipt.height)
      await session.client.close()
      Terminal.say(
        try ReceiptReport(certified).remarking(found.map(CyclesCommand.standing)).text(json: json))
    }

    /// A word where less arrives than ten times what the way costs.
    static func warning(_ amount: Cycles, fee: Cycles) -> String? {
      guard amount.number / 10 < fee.number else { return nil }
      return "Note: a top-up costs \(cyclesText(fee.number)) cycles, and this one brings "
        + "\(cyclesText(amount.number)). Fewer and larger ones cost less."
    }
  }

  /// What the account of a pipeline holds, and what to do where it does not suffice.
  static func standing(_ found: CatalogPipeline) -> String {
    let words =
      "its account holds \(cyclesText(found.balance.number)) cycles; updates freeze below "
      + cyclesText(found.freezesBelow.number)
    guard found.balance <= found.freezesBelow else { return words }
    return words + ": quorate cycles top-up \(found.name) 5T"
  }

  struct Transfer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give cycles to another identity's account.")
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "An identity of this folder, or a public key in hexadecimal.") var to: String
    @Argument(help: "How many cycles: 5T, 200G, 1000000.") var amount: CycleAmount
    @Option(help: "The idempotency key. Without it, a new one.") var key: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      let receiver = try location.identities.publicKey(of: to)
      let certified = try await session.submit(
        Intention(
          pipeline: "", method: .transfer(to: receiver, amount.cycles),
          key: key ?? Session.freshKey()))
      await session.client.close()
      let words = "\(cyclesText(amount.cycles.number)) cycles went to \(to)"
      Terminal.say(try ReceiptReport(certified).remarking(words).text(json: json))
    }
  }

  struct Prices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The price table in force, and what administrators propose in its place.")
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      let report = try await session.client.prices()
      await session.client.close()
      if json {
        Terminal.say(try Terminal.json(PriceListing(report)))
        return
      }
      Terminal.say(
        Terminal.table(
          ["key", "item", "unit", "at 13 replicas", "here"],
          report.table.lines.map {
            [$0.key, $0.item, $0.unit, grouped($0.base.number), grouped($0.price.number)]
          }))
      Terminal.say(
        "\(report.table.name) \(report.table.version), for "
          + "\(counted(report.table.replicas, "replica")). 10^12 cycles (1 T) are "
          + "pegged to one XDR. Queries are free at every trust.")
      for proposal in report.proposals {
        Terminal.say(
          "\(proposal.administrator.hex.prefix(8)) proposes version \(proposal.table.version): "
            + Self.differences(report.table, proposal.table)
            + "; \(counted(report.needed, "administrator")) must propose the same")
      }
    }

    /// What one table has otherwise than another, as a change gives it.
    static func differences(_ old: PriceTable, _ new: PriceTable) -> String {
      let changed = zip(old.lines, new.lines).filter { $0.base != $1.base }
      return changed.isEmpty
        ? "nothing else"
        : changed.map { "\($0.key)=\($1.base) (was \($0.base))" }.joined(separator: " ")
    }
  }

  /// The prices for programs.
  struct PriceListing: Encodable {
    struct Line: Encodable { let key, item, unit, at13, cycles: String }
    struct Proposal: Encodable {
      let administrator: String
      let version: UInt32
      let at13: [String: String]
    }
    let name: String
    let version: UInt32
    let replicas: UInt16
    let needed: UInt16
    let prices: [Line]
    let proposals: [Proposal]

    init(_ report: PriceReport) {
      name = report.table.name
      version = report.table.version
      replicas = report.table.replicas
      needed = report.needed
      prices = report.table.lines.map {
        Line(
          key: $0.key, item: $0.item, unit: $0.unit, at13: "\($0.base)", cycles: "\($0.price)")
      }
      proposals = report.proposals.map { proposal in
        let lines = proposal.table.lines.filter { !$0.key.isEmpty }
        return Proposal(
          administrator: proposal.administrator.hex, version: proposal.table.version,
          at13: Dictionary(uniqueKeysWithValues: lines.map { ($0.key, "\($0.base)") }))
      }
    }
  }

  struct ChangePrices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "change-prices",
      abstract: "Propose other prices, as an administrator of the subnet.",
      discussion: """
        Prices are given for 13 replicas; all but that of a transfer are scaled by n / 13. They
        are in force from the block after the one in which more than half of the administrators
        have proposed the same. Storage is charged for each ten minutes by the prices in force
        when they end.

          quorate cycles change-prices step=120 storage=150k --as operator
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "KEY=CYCLES, keys as 'quorate cycles prices' shows them.")
    var changes: [PriceChange]
    @Option(help: "The idempotency key. Without it, a new one.") var key: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      let old = try await session.client.prices().table
      let named = Dictionary(changes.map { ($0.key, $0.price) }) { _, last in last }
      guard let next = old.changed(named) else {
        let unknown = named.keys.sorted().first { !PriceTable.keys.contains($0) } ?? ""
        let meant = Spelling.nearest(unknown, among: PriceTable.keys)
        throw Failure(
          "There is no price '\(unknown)'\(meant.map { "; did you mean '\($0)'?" } ?? ".") "
            + "The keys are \(PriceTable.keys.joined(separator: ", ")).")
      }
      guard zip(old.lines, next.lines).contains(where: { $0.base != $1.base }) else {
        await session.client.close()
        Terminal.say("These prices are in force already, \(old.name) \(old.version).")
        return
      }
      let certified = try await session.submit(
        Intention(
          pipeline: "", method: .prices, body: next.canonicalBytes, key: key ?? Session.freshKey(),
          stepLimit: 0))
      let report = await session.seen {
        try await session.client.prices()
      } where: { report in
        report.table.version >= next.version
          || report.proposals.contains {
            $0.administrator == session.keys?.publicKey && $0.table == next
          }
      }
      await session.client.close()
      Terminal.say(
        try ReceiptReport(certified).remarking(report.map { Self.remark(old, next, $0) })
          .text(json: json))
    }

    private static func remark(
      _ old: PriceTable, _ next: PriceTable, _ report: PriceReport
    ) -> String {
      if report.table == next { return "In force: \(Prices.differences(old, next))" }
      guard report.table.version < next.version else {
        return "Other prices came into force meanwhile: \(Prices.differences(old, report.table))"
      }
      return "Proposed by \(report.proposals.count { $0.table == next }) of "
        + "\(report.needed) administrators that it takes: \(Prices.differences(old, next))"
    }
  }
}

/// One price of the table: `step=120`.
struct PriceChange: ExpressibleByArgument {
  let key: String
  let price: Cycles

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, let amount = CycleAmount(argument: parts[1]) else { return nil }
    key = parts[0]
    price = amount.cycles
  }
}

/// A number of cycles with a unit: `5T`, `1.5G`, `20M`, `7k`, `1000`.
struct CycleAmount: ExpressibleByArgument {
  let cycles: Cycles

  init?(argument: String) {
    let exponents: [Character: Int] = ["T": 12, "G": 9, "M": 6, "k": 3]
    let exponent = argument.last.flatMap { exponents[$0] } ?? 0
    let number = exponent == 0 ? argument[...] : argument.dropLast()
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : ""
    guard parts.count <= 2, fraction.count <= exponent else { return nil }
    let zeros = String(repeating: "0", count: exponent - fraction.count)
    guard let total = UInt64(parts[0] + fraction + zeros) else { return nil }
    cycles = Cycles(total)
  }
}
