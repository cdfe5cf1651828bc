"""The Chinese edition: what there is to translate, the catalogs that hold it, its checks, the tree written from it."""
