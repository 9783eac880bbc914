package githttp

// ReadPack is readPack, for packs that no server sends.
var ReadPack = readPack

// Patch is patch, for differences that no git makes.
var Patch = patch
