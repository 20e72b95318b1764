// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny")
]

/// The simulated world is one thread's: overlapping accesses are looked for in debug builds.
let uncheckedAccess = SwiftSetting.unsafeFlags(
  ["-enforce-exclusivity=unchecked"], .when(configuration: .release))

/// A target of the house: its folder under `path` is named as it is.
func module(
  _ name: String, _ dependencies: [Target.Dependency] = [], in folder: String = "Sources",
  settings: [SwiftSetting] = strict
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "\(folder)/\(name)", swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(
  name: "HummingbirdCore", package: "hummingbird")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let nioHTTPTypes: Target.Dependency = .product(
  name: "NIOHTTPTypes", package: "swift-nio-extras")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
  name: "quorate",
  products: [
    .executable(name: "quorate", targets: ["quorate"]),
    .library(name: "QuorateClient", targets: ["QuorateClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.20.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(
      url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // System libraries.
    .systemLibrary(name: "CSodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),

    // Values only.
    module("Wire"),
    module("Signing", ["Wire", "CSodium", "COpenSSL"]),
    module("Metering", ["Wire"]),
    module("Certification", ["Wire", "Signing"]),
    module("Consensus", ["Wire", "Signing"]),
    module("SQL", ["Wire"]),
    module("Pipelines", ["Wire", "SQL", yams]),
    module("Replication", ["Wire", "Signing", "Metering", "Certification", "Consensus"]),

    // Adapters.
    module("Storage", ["CSQLite"]),
    module("Journaling", ["Wire", "Signing", "Storage"]),
    module(
      "Execution",
      ["Wire", "Signing", "Metering", "Certification", "SQL", "Pipelines", "Storage", "CSQLite"]),
    module("Transport", ["Wire", "Signing", nio, nioPosix, nioSSL]),
    module(
      "Gateway",
      [
        "Wire", "Signing", "Metering", "Certification", hummingbird, hummingbirdCore,
        hummingbirdTLS, httpTypes, nio, nioHTTPTypes, nioSSL, lifecycle, logging,
      ]),

    // Shells.
    module(
      "NodeShell",
      [
        "Wire", "Signing", "Metering", "Certification", "Consensus", "Replication", "Pipelines",
        "Storage", "Journaling", "Execution", "Transport", "Gateway", nio, lifecycle, logging,
      ]),
    module(
      "QuorateClient",
      ["Wire", "Signing", "Metering", "Certification", nio, nioPosix, nioHTTP, nioSSL, nioTLS]),
    module(
      "Simulator",
      [
        "Wire", "Signing", "Metering", "Certification", "Consensus", "Replication", "Pipelines",
        "Storage", "Journaling", "Execution", "CSQLite", yams,
      ], in: "Simulation", settings: strict + [uncheckedAccess]),

    .executableTarget(
      name: "quorate",
      dependencies: [
        "Wire", "Signing", "Metering", "Certification", "SQL", "Pipelines", "Storage",
        "Execution", "NodeShell", "QuorateClient", "Simulator", arguments, lifecycle, logging,
      ], swiftSettings: strict),

    // Measurements, outside of the test command.
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "Wire", "Signing", "Metering", "Certification", "Pipelines", "Replication", "Storage",
        "NodeShell", "QuorateClient", "Simulator", arguments,
      ], path: "Tests/Benchmarks", swiftSettings: strict),

    // Tests.
    tests("StorageTests", ["Storage", "CSQLite"]),
    tests("SQLTests", ["SQL"]),
    tests("PipelinesTests", ["Wire", "SQL", "Pipelines"]),
    tests(
      "ExecutionTests",
      [
        "Wire", "Signing", "Metering", "Certification", "SQL", "Pipelines", "Storage", "Execution",
        "CSQLite", "SourceRules",
      ]),
    tests("ConsensusTests", ["Wire", "Signing", "Consensus"]),
    tests("ReplicationTests", ["Wire", "Signing", "Consensus", "Replication"]),
    tests(
      "SimulatorTests",
      [
        "Wire", "Signing", "Metering", "Replication", "Storage", "Journaling", "Execution",
        "Simulator", "CSQLite",
      ]),
    tests("ScenarioTests", ["Simulator"]),
    .target(name: "SourceRules", path: "Tests/SourceRules", swiftSettings: strict),
    tests("TidyTests", ["SourceRules"]),
    tests("WireTests", ["Wire"]),
    tests("SigningTests", ["Wire", "Signing"]),
    tests("MeteringTests", ["Wire", "Metering"]),
    tests("CertificationTests", ["Wire", "Signing", "Certification"]),
    tests("JournalingTests", ["Wire", "Signing", "Storage", "Journaling"]),
    .target(
      name: "GatewayFixture",
      dependencies: [
        "Wire", "Signing", "Metering", "Certification", "Gateway", logging, nioPosix,
      ],
      path: "Tests/GatewayFixture", swiftSettings: strict),
    tests(
      "GatewayTests",
      ["Wire", "Signing", "Certification", "Gateway", "GatewayFixture", lifecycle, logging]),
    tests(
      "QuorateClientTests",
      ["Wire", "Signing", "Certification", "QuorateClient", "GatewayFixture"]),
    tests("TransportTests", ["Wire", "Signing", "Transport", nio, nioPosix, nioSSL]),
    tests(
      "ClusterTests",
      [
        "Wire", "Signing", "Metering", "Certification", "SQL", "Pipelines", "Transport", "Gateway",
        "NodeShell", "QuorateClient", "quorate", "GatewayFixture", logging,
      ]),
    tests(
      "NodeShellTests",
      [
        "Wire", "Signing", "Certification", "Replication", "Transport", "Gateway", "NodeShell",
        "GatewayFixture", logging,
      ]),
  ]
)
