"""The commands of `waldstream`, one file per group; each imports heavy parts only when its command runs."""
