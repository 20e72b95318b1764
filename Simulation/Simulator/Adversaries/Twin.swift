/// Two honest copies of one replica with one key (Bano and others, "Twins", 2020); the world
/// lets each be heard by its own part of the committee.
struct Twin: Adversary {}
