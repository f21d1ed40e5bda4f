from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
