import ArgumentParser
import Execution
import QuorateClient
import Wire

struct EngineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine",
    abstract: "The fingerprint of this machine's SQLite, which a subnet must accept.",
    discussion: """
      A replica starts only with an SQLite that its subnet accepts: another one may plan statements
      otherwise and count other steps. To change to this machine's:

        quorate cluster accept-engine $(quorate replica engine --hex) --as operator
      """)
  @Flag(help: "Only what 'cluster accept-engine' takes.") var hex = false
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let engine = try EngineFingerprint.own()
    if hex {
      Terminal.say(engine.hex)
    } else {
      Terminal.say(
        json
          ? try Terminal.json(EngineListing.Engine(engine))
          : "\(engine)\nquorate cluster accept-engine \(engine.hex)")
    }
  }
}

struct EnginesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engines",
    abstract: "The SQLites that replicas may execute with, and what administrators propose.",
    discussion: "  quorate cluster engines")
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let session = try Session(location, caller)
    let report = try await session.client.engines()
    await session.client.close()
    if json {
      Terminal.say(try Terminal.json(EngineListing(report)))
      return
    }
    for engine in report.accepted { Terminal.say("accepted: \(engine)") }
    for proposal in report.proposals {
      Terminal.say(
        "\(proposal.administrator) proposes \(proposal.engine); \(report.needed) administrators "
          + "must propose the same: quorate cluster accept-engine \(proposal.engine.hex)")
    }
  }
}

struct AcceptEngineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accept-engine",
    abstract: "Propose that replicas may execute with another SQLite, as an administrator.",
    discussion: """
      It is accepted once more than half of the administrators have proposed it. Then upgrade one
      replica at a time: one whose results differ is quarantined, and up to f of them harm nothing.

        quorate cluster accept-engine $(quorate replica engine --hex) --as operator
      """)
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "What 'quorate replica engine --hex' prints on the machine that has it.")
  var hex: String
  @Option(help: "The idempotency key. Without it, a new one.") var key: String?
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    guard let engine = EngineFingerprint(hex: hex) else {
      throw Failure(
        "This is no engine's fingerprint, or not all of it; 'quorate replica engine --hex' prints "
          + "that of the machine it runs on.")
    }
    let session = try Session(location, caller)
    if try await session.client.engines().accepted.contains(engine) {
      await session.client.close()
      Terminal.say(
        json ? try Terminal.json(EngineListing.Engine(engine)) : "Accepted already: \(engine)")
      return
    }
    let certified = try await session.submit(
      Intention(
        pipeline: "", method: .engines, body: engine.canonicalBytes,
        key: key ?? Session.freshKey(), stepLimit: 0))
    let report = await session.seen {
      try await session.client.engines()
    } where: { report in
      report.accepted.contains(engine)
        || report.proposals.contains {
          $0.administrator == session.keys?.publicKey && $0.engine == engine
        }
    }
    await session.client.close()
    Terminal.say(
      try ReceiptReport(certified).remarking(report.map { Self.remark(engine, $0) })
        .text(json: json))
  }

  private static func remark(_ engine: EngineFingerprint, _ report: EngineReport) -> String {
    if report.accepted.contains(engine) { return "Accepted: \(engine)" }
    return "Proposed by \(report.proposals.count { $0.engine == engine }) of \(report.needed) "
      + "administrators that it takes: \(engine)"
  }
}

/// The engines for programs.
struct EngineListing: Encodable {
  struct Engine: Encodable {
    let source, options, probe, hex: String

    init(_ engine: EngineFingerprint) {
      source = engine.source
      options = engine.options.hex
      probe = engine.probe.hex
      hex = engine.hex
    }
  }
  struct Proposal: Encodable {
    let administrator: String
    let engine: Engine
  }
  let accepted: [Engine]
  let needed: UInt16
  let proposals: [Proposal]

  init(_ report: EngineReport) {
    accepted = report.accepted.map(Engine.init)
    needed = report.needed
    proposals = report.proposals.map {
      Proposal(administrator: $0.administrator.hex, engine: Engine($0.engine))
    }
  }
}
