import ArgumentParser
import Certification
import Execution
import Foundation
import Metering
import Pipelines
import QuorateClient
import Signing
import Wire

extension PipelineCommand {
  struct Deploy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create the pipeline, or upgrade it; the deployer pays.",
      discussion: """
        What an upgrade breaks is told with its receipt; 'quorate pipeline plan' tells it before.
        A package that runs already is not sent again.

          quorate pipeline deploy deploy/pipelines/bank-reconciliation --cycles 20T
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The package's folder.") var directory: String
    @Option(help: "Cycles to put into the pipeline's account afterwards: 5T, 200G.")
    var cycles: CycleAmount?
    @Option(
      help: ArgumentHelp("Say that this model, source or NAME.COLUMN may go.", valueName: "name"))
    var drop: [String] = []
    @Option(help: "VDBE steps at most.") var steps = DeployCost.stepsUsual
    @Option(help: "The idempotency key. Without it, a new one.") var key: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let package = try PackageFolder.read(directory, dropping: drop)
      let session = try Session(location, caller)
      let old = try await session.catalog().pipelines.first { $0.name == package.name }
      try PackageFolder.check(drop, against: old, of: package.name)
      let key = key ?? Session.freshKey()
      let gift = cycles?.cycles ?? 0
      if gift > 0 { try await refuseTooMuch(gift, session) }
      let end = try await deploy(package, over: old, session, key: key)
      let gave = await give(gift, to: package.name, session, key: "\(key)-cycles")
      let found = await session.seen(package.name, since: gave.height ?? end.height)
      await session.client.close()
      Terminal.say(try end.text(package, json: json))
      if !json {
        if gave.height != nil {
          Terminal.say("  its account got \(cyclesText(gift.number)) cycles")
        }
        if let found { Terminal.say("  \(CyclesCommand.standing(found))") }
      }
      if let why = gave.failure {
        throw Failure(
          "\(package.name) is deployed; only its top-up failed: \(why)\n"
            + "Next: quorate cycles top-up \(package.name) 5T")
      }
    }

    private func deploy(
      _ package: Package, over old: CatalogPipeline?, _ session: Session, key: String
    ) async throws -> DeployEnd {
      if let old, let height = await session.runs(package, old) { return .unchanged(height) }
      let breaking = old == nil || json ? [] : await session.breaking(package)
      let certified = try await session.submit(
        Intention(
          pipeline: package.name, method: .deploy, body: package.canonicalBytes, key: key,
          stepLimit: steps))
      return .ran(certified, breaking: breaking)
    }

    /// Before anything is sent: a deploy that is paid for and a top-up that is not help nobody.
    private func refuseTooMuch(_ gift: Cycles, _ session: Session) async throws {
      guard let keys = session.keys else { return }
      let prices = try await session.client.prices().table
      let balance = try await session.client.balance(of: keys.publicKey)
      guard let whole = gift.plus(prices.transfer), whole <= balance else {
        throw Failure(
          "Nothing was sent: --cycles \(Advice.roundedUp(gift.number)) and the fee of "
            + "\(cyclesText(prices.transfer.number)) are more than the "
            + "\(cyclesText(balance.number)) cycles of \(session.signerName ?? "this account"). "
            + "Give fewer, or have somebody give you some first: quorate cycles transfer "
            + "\(session.signerName ?? "NAME") AMOUNT --as operator")
      }
    }

    private func give(
      _ gift: Cycles, to pipeline: String, _ session: Session, key: String
    ) async -> (height: Height?, failure: String?) {
      guard gift > 0 else { return (nil, nil) }
      do {
        let certified = try await session.submit(
          Intention(pipeline: pipeline, method: .topUp(gift), key: key))
        return (certified.proof.receipt.height, nil)
      } catch { return (nil, "\(error)") }
    }
  }
}

/// What a deploy came to.
enum DeployEnd {
  case ran(CertifiedReceipt, breaking: [String])
  /// The package ran at this height already, and was not sent.
  case unchanged(Height)

  var height: Height {
    switch self {
    case .ran(let certified, _): certified.proof.receipt.height
    case .unchanged(let height): height
    }
  }

  func text(_ package: Package, json: Bool) throws -> String {
    switch self {
    case .ran(let certified, _) where json:
      return try ReceiptReport(certified).text(json: true)
    case .ran(let certified, let breaking):
      return
        ([
          "\(package.name) \(package.version): \(PackageFolder.summary(package))",
          try ReceiptReport(certified).text(json: false),
        ] + breaking.map { "  BREAKING: \($0)" }).joined(separator: "\n")
    case .unchanged(let height) where json:
      return try Terminal.json(Unchanged(pipeline: package.name, height: height.number))
    case .unchanged(let height):
      return "Nothing changes: \(package.name) \(package.version) runs from this package already, "
        + "at height \(height). It was not sent again, which costs nothing."
    }
  }

  /// For programs, by the names that a receipt has.
  private struct Unchanged: Encodable {
    let pipeline: String
    let status = "unchanged"
    let height: UInt64
    let cycles: UInt64 = 0
  }
}

/// What an account must hold for a deploy to be taken in.
enum DeployCost {
  static let stepsUsual: UInt64 = 50_000_000

  /// Why a deploy would not be taken in; nil when the account suffices.
  static func refusal(most: Cycles, balance: Cycles, signer: String) -> String? {
    guard most > balance else { return nil }
    return "It sets \(cyclesText(most.number)) cycles aside while it runs, and \(signer) has "
      + "\(cyclesText(balance.number)): quorate cycles transfer \(signer) "
      + "\(Advice.roundedUp(most.above(balance))) --as operator [INSUFFICIENT_CYCLES]"
  }
}

extension Session {
  /// A pipeline as a replica has it at a height or above; nil when none is there soon.
  func seen(_ name: String, since height: Height) async -> CatalogPipeline? {
    await seen({ try await described(name) }, where: { $0.height >= height })?.pipeline
  }

  /// A height at which the subnet runs this very package, at or above all that was acknowledged,
  /// on which `f + 1` replicas agree; nil where it runs another, or they do not say. They are asked
  /// only where the catalog of one tells so: a deploy too many costs less than plans of them all.
  func runs(_ package: Package, _ deployed: CatalogPipeline) async -> Height? {
    let bytes = package.canonicalBytes
    guard deployed.package == sha256(bytes),
      let answer = try? await client.agree(
        .plan(bytes), of: package.name, recency: .fresh),
      let plan = try? PlanReport(answer), plan.isUnchanged
    else { return nil }
    return answer.height
  }

  /// What an upgrade to this package breaks, by a replica's plan; nothing when none is made.
  func breaking(_ package: Package) async -> [String] {
    guard
      let answer = try? await ask(.plan(package.canonicalBytes), package.name, .replica),
      let plan = try? PlanReport(answer)
    else { return [] }
    return plan.changes.filter(\.isBreaking).map { change in
      let words = "\(change.part) \(change.name) \(change.change)"
      return (words + (change.detail.isEmpty ? "" : ": \(change.detail)")).inOneLine
    }
  }
}
